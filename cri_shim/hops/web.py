"""What the local HTTP listener answers: the page, its JSON, live events and metrics.

Whoever can connect sees ids of pods and methods of requests, no secrets; the listener is bound to loopback unless the
operator says otherwise. A web page of another origin must not read it through a browser: no CORS headers are sent, and
a Host that is neither an address nor ``localhost`` is refused, which ends DNS rebinding.
"""

from __future__ import annotations

import asyncio
import ipaddress
import mimetypes
from importlib import resources
from typing import TYPE_CHECKING, Any

from aiohttp import web

from cri_shim.hops.kept import Kept
from cri_shim.hops.live import watching
from cri_shim.hops.prometheus import CONTENT_TYPE
from cri_shim.hops.record_json import record, summary
from cri_shim.hops.totals import totals
from cri_shim.hops.typical import typical

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from cri_shim.hops.request import Request
    from cri_shim.hops.web_sources import WebSources

_KEEPALIVE_SECONDS = 15.0
_MOST_LISTED = 2000
_LARGEST_EXPORT = 4 << 20
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Site:
    """The application on a socket that listens already."""

    def __init__(self, sources: WebSources, bound_to: str) -> None:
        self._sources = sources
        self._bound_to = bound_to
        self._page = resources.files("cri_shim.hops") / "page"
        self._streams: set[asyncio.Task[Any]] = set()
        application = web.Application(middlewares=[self._guard], client_max_size=_LARGEST_EXPORT)
        application.add_routes(
            [
                web.get("/", self._index),
                web.get("/page/{name}", self._file),
                web.get("/metrics", self._metrics),
                web.get("/api/requests", self._requests),
                web.get(r"/api/requests/{id:\d+}", self._request),
                web.get("/api/methods", self._methods),
                web.get("/api/node", self._node),
                web.get("/api/live", self._live),
            ]
        )
        if sources.take_spans is not None:
            application.router.add_post("/v1/traces", self._take_spans)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)

    async def start(self, bound: socket.socket) -> None:
        """Answer whoever has connected or will."""
        await self._runner.setup()
        await web.SockSite(self._runner, bound).start()

    async def stop(self) -> None:
        """End all connections."""
        for stream in self._streams:
            stream.cancel()
        await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not _is_ours(request.host, self._bound_to):
            raise web.HTTPForbidden(text="the Host header must be an address of this listener or localhost\n")
        self._sources.ledger.catch_up()
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    async def _index(self, _request: web.Request) -> web.Response:
        return self._sent("index.html")

    async def _file(self, request: web.Request) -> web.Response:
        return self._sent(request.match_info["name"])

    def _sent(self, name: str) -> web.Response:
        # Only names that are there: no path leads out of the folder.
        found = next((file for file in self._page.iterdir() if file.name == name and file.is_file()), None)
        if found is None:
            raise web.HTTPNotFound(text=f"there is no {name}\n")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return web.Response(body=found.read_bytes(), content_type=kind, charset="utf-8" if "text" in kind else None)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._sources.metrics(), headers={"Content-Type": CONTENT_TYPE})

    async def _requests(self, request: web.Request) -> web.Response:
        method, slowest = request.query.get("method", ""), request.query.get("slowest") == "1"
        reads = request.query.get("reads") != "0"
        limit = _number(request.query.get("limit", "100"), _MOST_LISTED)
        ledger = self._sources.ledger
        if slowest:
            found: list[Request | Kept] = [*ledger.slowest(method)]
        else:
            # Those that run are among them: a client that comes in the middle of a long one shall see it.
            ended = ledger.remembered(method) if method or not reads else ledger.newest()
            found = [*ended, *(one for one in ledger.in_hand.values() if method in {"", one.method})]
            found.sort(key=lambda one: one.id, reverse=True)
            if not reads:
                found = [one for one in found if one.method not in self._sources.reads]
        listed = (one.request() if isinstance(one, Kept) else one for one in found[:limit])
        return web.json_response({"requests": [summary(one) for one in listed]})

    async def _request(self, request: web.Request) -> web.Response:
        ledger = self._sources.ledger
        found = ledger.find(int(request.match_info["id"]))
        if found is None:
            raise web.HTTPNotFound(text="this request is not known, or not any more\n")
        shape = typical([kept.request() for kept in ledger.newest_of(found.method)])
        return web.json_response(record(found) | {"typical": shape})

    async def _methods(self, _request: web.Request) -> web.Response:
        return web.json_response({"methods": totals(self._sources.ledger.remembered())})

    async def _node(self, _request: web.Request) -> web.Response:
        return web.json_response(dict(self._sources.node()))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        task = asyncio.current_task()
        if task is not None:
            self._streams.add(task)
            task.add_done_callback(self._streams.discard)
        with watching(self._sources.ledger) as watcher:
            while True:
                try:
                    text = await asyncio.wait_for(watcher.next(), _KEEPALIVE_SECONDS)
                except TimeoutError:
                    text = b": still here\n\n"
                await response.write(text)

    async def _take_spans(self, request: web.Request) -> web.Response:
        if self._sources.take_spans is None:
            raise web.HTTPNotFound
        kind = request.content_type
        try:
            answer = self._sources.take_spans(await request.read(), kind)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.Response(body=answer, content_type=kind)


def _is_ours(host: str, bound_to: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]")
    if name in {"localhost", bound_to}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _number(text: str, most: int) -> int:
    if not text.isdigit():
        raise web.HTTPBadRequest(text=f"limit must be a number up to {most}\n")
    return min(int(text), most)
