"""Answer a list that can have megabytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from cri_shim.explorer.in_pieces import in_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


async def list_answer(name: str, rows: Iterable[Mapping[str, Any]], /, **beside: Any) -> web.Response:
    """Answer ``{"NAME": [ROW, …], …}``, with what is ``beside`` the list before it.

    A list can have megabytes, so each row is made and turned into text by itself.
    """
    head = json.dumps(beside)[:-1].encode() + (b", " if beside else b"")
    texts = [json.dumps(row).encode() async for row in in_pieces(rows)]
    body = b"".join((head, json.dumps(name).encode(), b": [", b", ".join(texts), b"]}"))
    return web.Response(body=body, content_type="application/json", charset="utf-8")
