"""Lengths of unions of intervals: hops and helpers overlap, and what two did at the same time took its time once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """The length of the union of ``intervals``, each a start and an end."""
    total, reach = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reach))
        reach = max(reach, end)
    return total


def uncovered(intervals: Iterable[tuple[float, float]], by: Iterable[tuple[float, float]]) -> float:
    """The length of what of the union of ``intervals`` no interval of ``by`` covers."""
    others = list(by)
    return covered([*intervals, *others]) - covered(others)
