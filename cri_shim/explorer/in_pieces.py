"""Make a long answer in pieces, so that the event loop serves CRI requests in between."""

from __future__ import annotations

import json
from asyncio import sleep
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

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


async def list_answer(name: str, rows: Iterable[Mapping[str, Any]], /, **beside: Any) -> web.Response:
    """Answer ``{"NAME": [ROW, …], …}``, with what is ``beside`` the list before it.

    A list can have megabytes, so each row is made and turned into text by itself.
    """
    head = json.dumps(beside)[:-1].encode() + (b", " if beside else b"")
    texts = [json.dumps(row).encode() async for row in in_pieces(rows)]
    body = b"".join((head, json.dumps(name).encode(), b": [", b", ".join(texts), b"]}"))
    return web.Response(body=body, content_type="application/json", charset="utf-8")
