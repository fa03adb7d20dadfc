"""Nothing is committed that was downloaded or made: what .gitignore excludes, and hidden folders but for two."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from checks.repository import SHOWN
from checks.violation import Violation

if TYPE_CHECKING:
    from checks.repository import Repository


def check(repository: Repository) -> list[Violation]:
    """Return one violation for each folder or file; none where the files are not in a checkout of git."""
    if not (repository.root / ".git").exists():
        return []
    hidden = {path.split("/", 1)[0] for path in _tracked(repository) if path.startswith(".") and "/" in path}
    wrong = sorted(hidden - set(SHOWN)) + _tracked(repository, "--cached", "--ignored", "--exclude-standard")
    return [Violation(path, 1, "is committed, and must not be: git rm -r --cached") for path in wrong]


def _tracked(repository: Repository, *options: str) -> list[str]:
    command = ["git", "-C", str(repository.root), "ls-files", "-z", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
