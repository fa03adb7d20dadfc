"""Estimate a round trip from how long the connection was quiet before it.

A call on a connection that has just been used takes a quarter of the time of one after a second of quiet, because then
the cores sleep, the caches are cold, and both runtimes have parked their threads. One number cannot stand for all
calls. The curve has the median of the last round trips at each of a few gaps, and interpolates along the logarithm.
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
"""Seconds of quiet at which is measured; a longer quiet counts as the last."""
ROUNDS_AT_START: Final = 3
"""How often a daemon that has just started measures at each gap; after that it measures rarely."""
REMEMBERED: Final = 15
"""The median is taken of this many round trips at each gap."""
_SHORTEST: Final = 0.0001  # seconds that a gap of 0 stands for, because it has no logarithm
# The borders between the gaps, halfway on the logarithmic scale.
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
        """Return the estimate after ``gap`` seconds of quiet; None as long as nothing was measured."""
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
        """Return the measurements: gap in seconds, the estimate there, and from how many round trips it was made."""
        return [(gap, middle(sorted(seen)), len(seen)) for gap, seen in zip(GAPS, self._measured, strict=True) if seen]

    def ages(self) -> dict[float, float]:
        """Return the seconds since the last round trip at each gap that was measured."""
        now = perf_counter()
        return {gap: now - noted for gap, noted, seen in zip(GAPS, self._noted, self._measured, strict=True) if seen}


def nearest(gap: float) -> float:
    """Return the one of :data:`GAPS` that a gap counts for."""
    return GAPS[bisect_left(_BETWEEN, gap)]


def _place(gap: float) -> float:
    """Return the logarithm of a gap, which is its place on the curve."""
    return math.log10(max(gap, _SHORTEST))


def middle(ordered: list[float]) -> Estimate:
    """Return the median of ordered values, and half of the range that holds two thirds of them."""
    last = len(ordered) - 1
    spread = ordered[round(last * _HIGH)] - ordered[round(last * _LOW)]
    return Estimate(ordered[last // 2], spread / 2)
