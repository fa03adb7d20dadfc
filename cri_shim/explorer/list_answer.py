"""Answer what can have megabytes: a list, or one thing with lists in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from cri_shim.explorer.in_pieces import in_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


async def list_answer(name: str, rows: Iterable[Mapping[str, Any]], /, **beside: Any) -> web.Response:
    """Answer ``{"NAME": [ROW, …], …}``, with what is ``beside`` the list before it.

    A list can have megabytes, so each row is made and turned into text by itself.
    """
    head = json.dumps(beside)[:-1].encode() + (b", " if beside else b"")
    texts = [json.dumps(row).encode() async for row in in_pieces(rows)]
    return _answer(b"".join((head, json.dumps(name).encode(), b": [", b", ".join(texts), b"]}")))


async def object_answer(value: Mapping[str, Any]) -> web.Response:
    """Answer one thing; the rows of its lists are turned into text one by one."""
    return _answer(b"".join([text.encode() async for text in in_pieces(_texts(value))]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield "{"
        for number, (name, inner) in enumerate(value.items()):
            yield f"{', ' if number else ''}{json.dumps(name)}: "
            yield from _texts(inner)
        yield "}"
    elif isinstance(value, list):
        yield "["
        for number, row in enumerate(value):
            yield f"{', ' if number else ''}{json.dumps(row)}"
        yield "]"
    else:
        yield json.dumps(value)


def _answer(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", charset="utf-8")
