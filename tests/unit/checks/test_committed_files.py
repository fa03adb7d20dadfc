"""What is downloaded or made is not committed."""

from __future__ import annotations

import subprocess

from checks import committed_files


def committed(checkout, files):
    """Return the violations of a checkout in which all files are committed, also those that are ignored."""
    repository = checkout(files)
    for command in (["init", "--quiet"], ["add", "--all", "--force"]):
        subprocess.run(["git", "-C", str(repository.root), *command], check=True, capture_output=True)
    return [violation.path for violation in committed_files.check(repository)]


def test_hidden_folders_and_ignored_files(checkout):
    files = {".tool/bin/x": "", ".ci/run": "", ".gitignore": "/made/\n", "made/a": "", "a.py": ""}
    assert committed(checkout, files) == [".tool", "made/a"]


def test_nothing_to_complain_of(checkout):
    assert committed(checkout, {".github/a.yml": "", ".gitignore": "/made/\n", "a.py": ""}) == []


def test_files_that_are_no_checkout(checkout):
    assert committed_files.check(checkout({".tool/bin/x": ""})) == []
