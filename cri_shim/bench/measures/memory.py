"""Read the memory of daemons and shims in three measures from /proc/PID/smaps_rollup (proc(5)).

RSS counts every page that a process has, including the pages of a library that ten others share. PSS divides each page
among the processes that have it, so the sum over processes is what they take from the machine; verdicts use it. USS is
what would be freed if the process ended.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cri_shim.bench.results.schema import Process

HELPERS, SHIMS, MACHINE = "helpers", "shims", "machine"
_PROC = Path("/proc")
_PRIVATE = ("Private_Clean", "Private_Dirty", "Private_Hugetlb")
_KIB_IN_MIB = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB by daemon. ``rss`` also has the machine, ``pss`` and ``uss`` also have the sum of the shims.

    All three have the sum of the helpers, processes that daemons keep running, if there are any. A daemon whose memory
    cannot be read is in none of them.
    """

    rss: dict[str, float] = field(default_factory=dict)
    pss: dict[str, float] = field(default_factory=dict)
    uss: dict[str, float] = field(default_factory=dict)


def read_memory(processes: Sequence[Process], shims: Iterable[int], helpers: Iterable[int] = ()) -> Memory:
    """Read the memory now. It locks each process for a millisecond or so, so it must not happen during a run."""
    memory = Memory()
    for process in processes:
        _add(memory, process.name, _rollup(process.pid))
    for rollup in map(_rollup, helpers):
        _add(memory, HELPERS, rollup)
    memory.pss[SHIMS] = memory.uss[SHIMS] = 0.0
    for pid in shims:
        # Shims come and go: one that has ended counts as nothing.
        rollup = _rollup(pid)
        memory.pss[SHIMS] += _mib(rollup, "Pss")
        memory.uss[SHIMS] += _mib(rollup, *_PRIVATE)
    machine = _sizes(_PROC / "meminfo")
    memory.rss[MACHINE] = _mib(machine, "MemTotal") - _mib(machine, "MemAvailable")
    for measure in (memory.rss, memory.pss, memory.uss):
        measure.update({name: round(value, 2) for name, value in measure.items()})
    return memory


def _add(memory: Memory, name: str, rollup: dict[str, int]) -> None:
    if "Rss" in rollup:
        memory.rss[name] = memory.rss.get(name, 0.0) + _mib(rollup, "Rss")
        memory.pss[name] = memory.pss.get(name, 0.0) + _mib(rollup, "Pss")
        memory.uss[name] = memory.uss.get(name, 0.0) + _mib(rollup, *_PRIVATE)


def _rollup(pid: int) -> dict[str, int]:
    """Return the sizes of a process; empty when it has ended, or belongs to another user."""
    with contextlib.suppress(OSError):
        return _sizes(_PROC / str(pid) / "smaps_rollup")
    return {}


def _sizes(path: Path) -> dict[str, int]:
    """Return the lines ``Name: number kB`` of a file."""
    lines = (line.split() for line in path.read_text(encoding="ascii", errors="replace").splitlines())
    return {line[0].removesuffix(":"): int(line[1]) for line in lines if len(line) == 3 and line[2] == "kB"}


def _mib(sizes: dict[str, int], *names: str) -> float:
    return sum(sizes.get(name, 0) for name in names) / _KIB_IN_MIB
