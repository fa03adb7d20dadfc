"""What was not taken over, in lines for a terminal."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cri_shim.config.read import dotted
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cri_shim.config.containerd.merge import Origin


class Why(enum.IntEnum):
    """Why a key is not in the result; the first ones matter most."""

    LOST = 0
    """Something will be different."""
    CHANGED = 1
    """Taken over as something else."""
    DEFAULT = 2
    """A default anyway."""
    CONTAINERD = 3
    """Containerd's own business, before and after."""


@dataclass(frozen=True, slots=True)
class Note:
    """One key and what became of it."""

    origin: Origin
    why: Why
    reason: str
    value: str = ""

    def __str__(self) -> str:
        """Return ``FILE:LINE: key = value: reason``, without a reason where the heading is reason enough."""
        value = f" = {self.value}" if self.value else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{where(self.origin)}{value}{reason}"


_HEADS = {
    Why.LOST: "not taken over, and cri-shim behaves differently:",
    Why.CHANGED: "taken over as something else:",
    Why.DEFAULT: "not in the result, because it is a default anyway:",
    Why.CONTAINERD: "not for cri-shim, and unchanged in containerd:",
}


def note_lines(notes: Iterable[Note], *, brief: bool) -> Iterator[str]:
    """Yield the notes under headings, those that matter most first; ``brief`` leaves out those that do not matter."""
    ordered = sorted(notes, key=lambda note: (note.why, note.origin.file, note.origin.line))
    for why in Why:
        lines = [f"  {note}" for note in ordered if note.why is why]
        if lines and not (brief and why > Why.CHANGED):
            yield _HEADS[why]
            yield from lines


def where(origin: Origin) -> str:
    """Return ``FILE:LINE: key`` in printable characters."""
    return f"{escaped(origin.file)}:{origin.line}: {escaped(dotted(origin.path))}"


def shown(value: Any) -> str:
    """Return a value as it could stand in the file, shortened and in printable characters."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, (str, bool, int, float, list)):
        return escaped(json.dumps(value, ensure_ascii=False, default=str), 80)
    return escaped(str(value), 80)
