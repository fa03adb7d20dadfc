"""Make a long answer in pieces, so that the event loop serves CRI requests in between."""

from __future__ import annotations

from asyncio import sleep
from time import perf_counter
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from cri_shim.ledger.steps import Steps

Made = TypeVar("Made")
Row = TypeVar("Row")

PIECE: Final = 0.001
"""Seconds of work after which the event loop can do something else."""


async def in_pieces(rows: Iterable[Row]) -> AsyncIterator[Row]:
    """Yield the rows, and let the event loop do something else whenever a piece of time has gone into them.

    What the rows are made from must have been collected, because the state may change between two of them.
    """
    begun = perf_counter()
    for row in rows:
        yield row
        if perf_counter() - begun >= PIECE:
            await sleep(0)
            begun = perf_counter()


async def finished(steps: Steps[Made]) -> Made:
    """Return the result of all steps, and let the event loop do something else as ``in_pieces`` does."""
    begun = perf_counter()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: Made = end.value
            return made
        if perf_counter() - begun >= PIECE:
            await sleep(0)
            begun = perf_counter()
