"""Pauses between attempts that go on until one succeeds."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def doubling(first: float, longest: float) -> Iterator[float]:
    """Give ``first``, then twice as much each time, and ``longest`` from then on; without end."""
    pause = first
    while True:
        yield min(pause, longest)
        pause = min(2 * pause, longest)


def ending_with_last(pauses: Sequence[float]) -> Iterator[float]:
    """Give ``pauses``, and the last of them from then on; without end."""
    return chain(pauses, repeat(pauses[-1]))
