"""How long a round trip takes, by how long the connection was quiet before it.

A call on a connection that has just been used takes a quarter of one on a connection that was quiet for a second: the
cores sleep, the caches are cold, both runtimes have put their threads to rest. One number cannot stand for all calls.
The curve has the median of the last round trips at each of a few gaps, and reads in between along the logarithm.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from itertools import pairwise
from time import perf_counter
from typing import Final

from cri_shim.ledger.transport.estimate import Estimate

GAPS: Final = (0.0, 0.001, 0.01, 0.1, 1.0)
"""Seconds of quiet that are measured; what was quiet for longer counts as the last."""
REMEMBERED: Final = 15
"""Round trips at each gap of which the median is taken."""
_SHORTEST: Final = 0.0001  # seconds that a gap of 0 stands for, because it has no logarithm
# The borders between the gaps, halfway in the logarithm.
_BETWEEN: Final = tuple(math.sqrt(max(low, _SHORTEST) * high) for low, high in pairwise(GAPS))
_LOW, _HIGH = 0.16, 0.84  # of the ordered round trips: two thirds lie between


class GapCurve:
    """Medians of round trips, in seconds, at :data:`GAPS`."""

    def __init__(self) -> None:
        self._measured: tuple[deque[float], ...] = tuple(deque(maxlen=REMEMBERED) for _ in GAPS)
        self._places: list[float] = []
        self._middles: list[Estimate] = []
        self._noted = [0.0] * len(GAPS)

    def note(self, gap: float, seconds: float) -> None:
        """Add a round trip that was made after ``gap`` seconds of quiet; it counts for the nearest gap."""
        place = GAPS.index(nearest(gap))
        self._measured[place].append(seconds)
        self._noted[place] = perf_counter()
        known = [(_place(at), middle(sorted(seen))) for at, seen in zip(GAPS, self._measured, strict=True) if seen]
        self._places = [at for at, _ in known]
        self._middles = [estimate for _, estimate in known]

    def at(self, gap: float) -> Estimate | None:
        """A round trip after ``gap`` seconds of quiet; None as long as nothing was measured."""
        places, middles = self._places, self._middles
        if not places:
            return None
        if gap <= _SHORTEST:
            return middles[0]
        place = math.log10(gap)
        above = bisect_left(places, place)
        if above == 0:
            return middles[0]
        if above == len(places):
            return middles[-1]
        low, first, second = places[above - 1], middles[above - 1], middles[above]
        share = (place - low) / (places[above] - low)
        return Estimate(
            first.seconds + (second.seconds - first.seconds) * share, first.error + (second.error - first.error) * share
        )

    def points(self) -> list[tuple[float, Estimate, int]]:
        """What was measured: gap in seconds, the estimate there, and of how many round trips it is made."""
        return [(gap, middle(sorted(seen)), len(seen)) for gap, seen in zip(GAPS, self._measured, strict=True) if seen]

    def ages(self) -> dict[float, float]:
        """Seconds since the last round trip at each gap that was measured."""
        now = perf_counter()
        return {gap: now - noted for gap, noted, seen in zip(GAPS, self._noted, self._measured, strict=True) if seen}


def nearest(gap: float) -> float:
    """The one of :data:`GAPS` that a gap counts for."""
    return GAPS[bisect_left(_BETWEEN, gap)]


def _place(gap: float) -> float:
    """The logarithm of a gap: where it lies on the curve."""
    return math.log10(max(gap, _SHORTEST))


def middle(ordered: list[float]) -> Estimate:
    """The median of ordered values, and half of the range in which two thirds of them lie."""
    last = len(ordered) - 1
    spread = ordered[round(last * _HIGH)] - ordered[round(last * _LOW)]
    return Estimate(ordered[last // 2], spread / 2)
