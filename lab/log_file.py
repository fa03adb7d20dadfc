"""Read a CRI log file, which has one entry on each line: ``TIME STREAM P|F CONTENT``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = re.compile(
    rb"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)) "
    rb"(?P<stream>stdout|stderr) (?P<tag>[PF]) (?P<content>.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file."""

    time: str
    stream: str
    full: bool
    content: bytes


def read_log(path: Path) -> list[Entry]:
    """Return every entry; raises :class:`AssertionError` for a line that is not an entry."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        match = ENTRY.fullmatch(line)
        assert match is not None, f"{path}: not a log entry: {line[:200]!r}"
        entries.append(
            Entry(match["time"].decode(), match["stream"].decode(), match["tag"] == b"F", bytes(match["content"]))
        )
    return entries


def text(entries: list[Entry], stream: str = "") -> str:
    """Return what the container wrote, joined again; of one stream or of both."""
    pieces = [e.content + (b"\n" if e.full else b"") for e in entries if stream in {"", e.stream}]
    return b"".join(pieces).decode(errors="replace")
