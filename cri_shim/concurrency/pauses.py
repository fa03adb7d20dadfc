"""Pauses between attempts that are repeated until one succeeds."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def doubling(first: float, longest: float) -> Iterator[float]:
    """Yield ``first``, then twice as much each time, up to ``longest``, without end."""
    pause = first
    while True:
        yield min(pause, longest)
        pause = min(2 * pause, longest)


def ending_with_last(pauses: Sequence[float]) -> Iterator[float]:
    """Yield ``pauses``, and then the last of them without end."""
    return chain(pauses, repeat(pauses[-1]))
