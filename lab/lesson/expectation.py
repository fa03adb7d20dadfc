"""Hold what a command has printed to what a page expects of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ANYTHING = "…"


def first_missing(expected: Sequence[str], output: str) -> str:
    """Return the first expected line that is not in the output after those before it; empty if all are there.

    ``…`` stands for any characters, and a line of it alone for any lines. How wide columns are does not matter.
    """
    lines = iter(_plain(line) for line in output.splitlines())
    for line in expected:
        if line.strip() in {"", ANYTHING}:
            continue
        pattern = re.compile(".*".join(map(re.escape, _plain(line).split(ANYTHING))))
        if not any(pattern.fullmatch(each) for each in lines):
            return line
    return ""


def _plain(line: str) -> str:
    return " ".join(line.split())
