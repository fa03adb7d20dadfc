"""Watch what a daemon holds while it works, and judge whether that grows with the work.

A daemon that has just started fills caches and rings that have a bound, so only what comes after the first third of the
samples counts. Memory and threads are compared by medians, because a sample may fall into the middle of a large answer.
File descriptors are compared at the two moments at which nothing is under way: after the warm-up and at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.processes import Daemon

MOST_MIB = 4.0
"""How much more private memory the last third of a soak may show than the second."""
MOST_THREADS = 3
"""Likewise for threads: a pool starts one when all others are busy, up to its size."""
FEW = 6
"""Fewer samples than this say nothing about growth."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process held at one moment. ``pid`` tells a daemon from its successor."""

    second: float
    pid: int
    pss_mib: float
    threads: int
    descriptors: int

    @classmethod
    def take(cls, daemon: Daemon, second: float) -> Sample:
        """Read it from /proc; raises :class:`OSError` when the process ends meanwhile."""
        process = Path(f"/proc/{daemon.pid}")
        memory = dict(
            line.split(":", 1) for line in (process / "smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
        )
        return cls(
            second,
            daemon.pid,
            int(memory["Pss"].split()[0]) / 1024,
            sum(1 for _ in (process / "task").iterdir()),
            sum(1 for _ in (process / "fd").iterdir()),
        )


def grown(samples: Sequence[Sample]) -> list[str]:
    """Return what grew in one process that worked all the time, a line each; empty when nothing did.

    Samples of earlier processes are left out, because a daemon that starts again begins from nothing.
    """
    last = [sample for sample in samples if sample.pid == samples[-1].pid]
    if len(last) < FEW:
        return []
    third = len(last) // 3
    lines = []
    for what, values, most in (
        ("MiB of memory (PSS)", [sample.pss_mib for sample in last], MOST_MIB),
        ("threads", [sample.threads for sample in last], MOST_THREADS),
    ):
        middle, end = median(values[third : 2 * third]), median(values[2 * third :])
        if end - middle > most:
            lines.append(f"{what}: {middle:.1f} in the second third of the time, {end:.1f} in the last")
    return lines


def kept(before: Sample, after: Sample) -> list[str]:
    """Return the file descriptors that an idle daemon holds more of after the work than before it, in a line."""
    if after.descriptors <= before.descriptors:
        return []
    return [f"file descriptors: {before.descriptors} before, {after.descriptors} after"]
