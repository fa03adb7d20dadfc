"""Estimate how much longer a null call takes while requests are active than on an idle node.

Real hops are made in the middle of work: plugins and runc run on the same cores, other requests use the same event
loop. How much that costs depends on how much is under way, so factors are kept by level: how many requests are active
and how many helpers run.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from cri_shim.ledger.transport.gap_curve import middle

LEVELS: Final = (2, 4)
"""How many requests and helpers begin the second and the third level."""
REMEMBERED: Final = 31
"""The median is taken of this many factors of each level."""
OUTDATED: Final = 600.0
"""Seconds after which the last measurement at a level no longer counts."""


class Factor(NamedTuple):
    """How many times longer a null call takes, and how far that may be off."""

    times: float
    error: float
    """Half of the range in which two thirds of the single factors lie."""


NO_LOAD: Final = Factor(1.0, 0.0)


class _Level(NamedTuple):
    factor: Factor
    noted: float


class LoadFactor:
    """Factors by level; times are seconds of ``time.perf_counter``."""

    def __init__(self) -> None:
        self._measured: tuple[deque[float], ...] = tuple(deque(maxlen=REMEMBERED) for _ in range(len(LEVELS) + 1))
        self._levels: list[_Level | None] = [None] * (len(LEVELS) + 1)

    def note(self, level: int, factor: float, now: float) -> None:
        """Add a null call that was made at a level (:func:`level_of`), as a multiple of one on an idle node."""
        if self._outdated(level, now):
            self._measured[level].clear()
        self._measured[level].append(factor)
        self._levels[level] = _Level(Factor(*middle(sorted(self._measured[level]))), now)

    def at(self, level: int, now: float) -> Factor:
        """Return the factor at a level; if it was not measured, that of the next lower level that was."""
        for lower in range(level, -1, -1):
            known = self._levels[lower]
            if known is not None and now - known.noted < OUTDATED:
                return known.factor
        return NO_LOAD

    def levels(self, now: float) -> list[tuple[int, Factor, int, float]]:
        """Return each known level: from how many requests and helpers on, the factor, how many samples, seconds ago."""
        return [
            (first, known.factor, len(seen), now - known.noted)
            for first, known, seen in zip((1, *LEVELS), self._levels, self._measured, strict=True)
            if known is not None and now - known.noted < OUTDATED
        ]

    def _outdated(self, level: int, now: float) -> bool:
        known = self._levels[level]
        return known is not None and now - known.noted >= OUTDATED


def level_of(busy: int) -> int:
    """Return the level while ``busy`` requests and helpers are under way: 0, 1 or 2."""
    return 0 if busy < LEVELS[0] else 1 if busy < LEVELS[1] else 2
