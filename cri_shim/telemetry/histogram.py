"""Count durations between fixed bounds, cheaply enough for every hop."""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import Final, NamedTuple

SECONDS: Final = (
    *(0.0001, 0.00015, 0.0002, 0.0003, 0.0005, 0.00075),
    *(0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds, so close that a duration half as long again falls into another bucket: both for a List, which takes a
third of a millisecond, and for a pod start, which takes a tenth of a second.
"""


class Exemplar(NamedTuple):
    """One duration in seconds, the trace that it was part of, and when it was counted, in seconds since 1970."""

    trace_id: str
    seconds: float
    at: float


class Histogram:
    """Counts of durations in seconds."""

    __slots__ = ("_counts", "exemplars", "total")

    def __init__(self) -> None:
        self._counts = [0] * (len(SECONDS) + 1)
        self.exemplars: dict[int, Exemplar] = {}
        """The last duration with a trace, by the place of its bucket."""
        self.total = 0.0
        """The sum of all durations."""

    def add(self, seconds: float, trace_id: str = "") -> None:
        """Count one duration; ``trace_id`` names the trace in which it can be looked at, empty for none."""
        bucket = bisect_left(SECONDS, seconds)
        self._counts[bucket] += 1
        self.total += seconds
        if trace_id:
            self.exemplars[bucket] = Exemplar(trace_id, seconds, time.time())

    @property
    def count(self) -> int:
        """How many durations were counted."""
        return sum(self._counts)

    def cumulative(self) -> list[tuple[str, int]]:
        """Return each upper bound and how many durations were at most that long, as Prometheus expects.

        The last is ``+Inf``.
        """
        below, reached = [], 0
        for bound, count in zip((*map(repr, SECONDS), "+Inf"), self._counts, strict=True):
            reached += count
            below.append((bound, reached))
        return below
