"""Compute CPU time per second from two readings of a counter.

Pure.
"""

from __future__ import annotations

SHORTEST_NS = 1_000_000_000
"""Readings nearer to each other tell more about the scheduler than about the container."""
LONGEST_NS = 120_000_000_000
"""An average over more than this is not the present use of the CPU; containerd 2.3 keeps samples as long."""


class CpuHistory:
    """The two readings before the current one.

    Two are always enough, because the second is at least :data:`SHORTEST_NS` older.
    """

    __slots__ = ("_newer", "_older")

    def __init__(self) -> None:
        self._older: tuple[int, int] | None = None
        self._newer: tuple[int, int] | None = None

    def add(self, at_ns: int, cpu_ns: int) -> int | None:
        """Add a reading (monotonic ns, ns of CPU time) and return the nano cores up to it; None without a base."""
        newer = self._newer
        if newer is not None and cpu_ns < newer[1]:
            # Another cgroup has this name now, or containers have left a sum, so earlier readings are not a base.
            self._older = self._newer = newer = None
        far_enough = newer is not None and at_ns - newer[0] >= SHORTEST_NS
        base = newer if far_enough else self._older
        if far_enough or newer is None:
            self._older, self._newer = newer, (at_ns, cpu_ns)
        if base is None or not SHORTEST_NS <= at_ns - base[0] <= LONGEST_NS:
            return None
        return max(0, (cpu_ns - base[1]) * 1_000_000_000 // (at_ns - base[0]))
