"""Compute medians, percentiles, middle halves and bootstrap confidence intervals in pure Python.

The interval is that of the paired ratio: each round gives one ratio of two runs that were neighbours in time. Rounds
are drawn again with replacement, and the median of each draw is taken (Efron's percentile bootstrap). Drawing is
seeded, so the same rounds always give the same interval.
"""

from __future__ import annotations

import functools
import math
import random
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

R = TypeVar("R")

DRAWS = 2000
CONFIDENCE = 0.95
SEED = 20180524


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and the range in which it lies with :data:`CONFIDENCE`."""

    estimate: float
    low: float
    high: float
    pairs: int

    @property
    def width(self) -> float:
        """The width of the range as a share of the estimate."""
        return (self.high - self.low) / self.estimate if self.estimate else math.inf


@dataclass(frozen=True, slots=True)
class Distribution:
    """Many values as a few numbers, in the values' unit."""

    count: int
    low: float
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float
    p99: float
    high: float


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0 to 1) of the values lie, interpolated; raises ValueError for none."""
    if not values:
        raise ValueError("no values to take a percentile of")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def distribution(values: Sequence[float]) -> Distribution:
    """Describe values; raises ValueError for none."""
    cuts = [percentile(values, share) for share in (0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1)]
    return Distribution(len(values), *cuts)


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Return the median of ``ours[i] / theirs[i]``, with its interval.

    Raises ValueError when there are no pairs, when the lengths differ, or when a value of ``theirs`` is not positive.
    """
    if len(ours) != len(theirs) or not ours:
        raise ValueError(f"{len(ours)} and {len(theirs)} values make no pairs")
    if min(theirs) <= 0:
        raise ValueError("a ratio to nothing")
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return bootstrap_median(ratios)


def bootstrap_median(values: Sequence[float]) -> Interval:
    """Return the median, with its interval; a single value is its own interval."""
    return bootstrap(values, statistics.median)


def bootstrap(rounds: Sequence[R], statistic: Callable[[Sequence[R]], float]) -> Interval:
    """Return a statistic of rounds, with its interval; raises its errors, and ValueError for no rounds."""
    if not rounds:
        raise ValueError("no rounds to draw from")
    drawn = [statistic([rounds[place] for place in places]) for places in _draws(len(rounds))]
    rest = (1 - CONFIDENCE) / 2
    return Interval(statistic(rounds), percentile(drawn, rest), percentile(drawn, 1 - rest), len(rounds))


@functools.lru_cache(maxsize=8)
def _draws(rounds: int) -> list[list[int]]:
    """Which rounds each draw takes. The seed is fixed, so that the same rounds always give the same interval."""
    draw = random.Random(SEED)  # noqa: S311 - nothing secret
    return [draw.choices(range(rounds), k=rounds) for _ in range(DRAWS)]


def middle_half(values: Sequence[R], key: Callable[[R], float]) -> list[R]:
    """Return the values without the lowest and the highest quarter, rounded down to whole values; at least one stays.

    The mean of these is as robust as a median and, unlike medians, parts of a whole still add up to it.
    """
    ordered = sorted(values, key=key)
    outer = len(ordered) // 4
    return ordered[outer : len(ordered) - outer]
