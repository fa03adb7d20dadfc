"""Find the processes that daemons keep running: their children that are alive, and the children of those (proc(5)).

If a daemon leaves part of its work to another process, as this one leaves open FIFOs to a small holder, the memory and
CPU time of that process belong to the daemon's cost.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_PROC = Path("/proc")


def descendants_of(pids: Collection[int], apart_from: Collection[int] = (), proc: Path = _PROC) -> list[int]:
    """Return the process ids below some processes, without those of ``apart_from`` and below them."""
    known = {*pids, *apart_from}
    descendants = []
    looked_at = list(pids)
    while looked_at:
        for child in _children(proc / str(looked_at.pop())):
            if child not in known:
                known.add(child)
                descendants.append(child)
                looked_at.append(child)
    return sorted(descendants)


def _children(process: Path) -> Iterator[int]:
    """Yield the children that each thread has started; none for a process that has ended."""
    with contextlib.suppress(OSError):
        for thread in (process / "task").iterdir():
            with contextlib.suppress(OSError):
                yield from map(int, (thread / "children").read_text().split())
