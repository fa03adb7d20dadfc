"""docs/limits.md names the file of each limit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cri_shim.config import Config
from cri_shim.config.render import document

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?!what|-)(.+) \|$", re.MULTILINE)


def rows() -> list[list[str]]:
    return [row.split(" | ") for row in ROW.findall((ROOT / "docs/limits.md").read_text())]


def keys(table: dict[str, Any], prefix: str = "") -> list[str]:
    names = []
    for name, value in table.items():
        names += keys(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return names


def test_every_file_exists() -> None:
    """Paths are from the root of the project, and a star stands for several files."""
    named = [name for row in rows() for name in re.findall(r"[\w./*]+\.py", row[-1])]
    assert named
    assert [name for name in named if not list(ROOT.glob(name))] == []


def test_every_key_exists() -> None:
    """A key in the last column is one of the daemon's, unless another file is named beside it."""
    named = [name for row in rows() if "hosts.toml" not in row[-1] for name in re.findall(r"`([a-z_.]+)`", row[-1])]
    known = keys(document(Config()))
    assert named
    assert [name for name in named if name not in known] == []


def test_each_limit_stands_once() -> None:
    """Two rows of the same name would contradict each other one day."""
    names = [row[0] for row in rows()]
    assert sorted(set(names)) == sorted(names)
