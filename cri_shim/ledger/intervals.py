"""Measure unions of intervals: hops and helpers overlap, and time in which two ran at once passed only once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def union_length(intervals: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of ``intervals``, each a start and an end."""
    total, reach = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    return total


def clipped(intervals: Iterable[tuple[float, float]], low: float, high: float) -> list[tuple[float, float]]:
    """Return the part of each interval that lies between ``low`` and ``high``."""
    return [(max(start, low), min(end, high)) for start, end in intervals if end > low and start < high]
