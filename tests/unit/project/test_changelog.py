"""CHANGELOG.md has the form of Keep a Changelog, and its newest release is the version of the program."""

from __future__ import annotations

import re
from pathlib import Path

import cri_shim

FILE = Path(__file__).parents[3] / "CHANGELOG.md"
RELEASE = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", re.MULTILINE)
KINDS = {"### Added", "### Changed", "### Deprecated", "### Removed", "### Fixed", "### Security"}


def sections() -> list[str]:
    """The text from each heading of a release on; the first is what is not released yet."""
    return re.split(r"^(?=## )", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]


def test_what_is_not_released_stands_on_top():
    """Then the releases, the newest first, each with its day."""
    top, *releases = sections()
    assert top.startswith("## [Unreleased]\n")
    matches = [RELEASE.match(text) for text in releases]
    assert all(matches)
    stand = [(tuple(map(int, one[1].split("."))), one[2]) for one in matches if one]
    assert stand == sorted(set(stand), reverse=True)


def test_the_newest_release_is_the_programs_version():
    """pyproject.toml reads it from the same place."""
    assert RELEASE.findall(sections()[1])[0][0] == cri_shim.__version__


def test_each_entry_is_one_line_below_its_kind():
    """No entry stands twice in a release, and no line of one goes on in the next."""
    for section in sections():
        lines = [line for line in section.splitlines()[1:] if line]
        kinds = [line for line in lines if line.startswith("#")]
        assert set(kinds) <= KINDS
        assert sorted(set(kinds)) == sorted(kinds)
        entries = [line for line in lines if line not in kinds]
        assert [line for line in entries if not re.match(r"- \S.*\.$", line)] == []
        assert sorted(set(entries)) == sorted(entries)
