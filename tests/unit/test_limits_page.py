"""docs/limits.md names the file of each limit."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?!what|-)(.+) \|$", re.MULTILINE)


def rows() -> list[list[str]]:
    return [row.split(" | ") for row in ROW.findall((ROOT / "docs/limits.md").read_text())]


def test_every_file_exists() -> None:
    """Paths are from the root of the project, and a star stands for several files."""
    named = [name for row in rows() for name in re.findall(r"[\w./*]+\.py", row[-1])]
    assert named
    assert [name for name in named if not list(ROOT.glob(name))] == []


def test_each_limit_stands_once() -> None:
    """Two rows of the same name would contradict each other one day."""
    names = [row[0] for row in rows()]
    assert sorted(set(names)) == sorted(names)
