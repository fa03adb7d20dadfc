"""Make a long answer in pieces, so that the event loop serves CRI requests in between."""

from __future__ import annotations

from asyncio import sleep
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

Row = TypeVar("Row")

AT_ONCE: Final = 50
"""How many rows are made before the event loop can do something else: a few milliseconds of work."""


async def in_pieces(rows: Iterable[Row]) -> AsyncIterator[Row]:
    """Yield the rows, and let the event loop do something else after every few.

    The caller must have collected the rows, because the state may change between two of them.
    """
    for number, row in enumerate(rows, 1):
        yield row
        if number % AT_ONCE == 0:
            await sleep(0)
