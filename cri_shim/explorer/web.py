"""The answers of the local HTTP listener: the page, its JSON, live events and metrics.

A client that can connect sees ids of pods and methods of requests, but no secrets; the listener is bound to loopback
unless the operator configures another address. A web page of another origin must not read it through a browser. So no
CORS headers are sent, and a Host that is neither an address nor ``localhost`` is refused, which prevents DNS rebinding.
A foreign Origin is refused too: its page could not read a stream, but could hold it open. Clients are limited in number
and in time.
"""

from __future__ import annotations

import asyncio
import ipaddress
import mimetypes
import socket
import zlib
from importlib import resources
from typing import TYPE_CHECKING, Any

from aiohttp import web

from cri_shim.explorer.calibration_json import calibration
from cri_shim.explorer.in_pieces import finished, in_pieces
from cri_shim.explorer.list_answer import list_answer, object_answer
from cri_shim.explorer.live import MOST_WATCHERS, LiveFeed
from cri_shim.explorer.pod_history import neighbours_json
from cri_shim.explorer.pod_routes import PodRoutes
from cri_shim.explorer.query import absent, avoids_errors, number, refused, search_words
from cri_shim.explorer.search import matching
from cri_shim.http_limits import LOGGER, PATIENCE, ConnectionLimits
from cri_shim.ledger.packed import unpacked
from cri_shim.ledger.record_json import record, summary
from cri_shim.ledger.totals import Billed, totals
from cri_shim.ledger.typical import typical
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cri_shim.explorer.web_sources import WebSources
    from cri_shim.ledger.packed import PackedRequest
    from cri_shim.ledger.request import Request

OFFERS = ("names", "pods", "search")
"""What this daemon answers and an earlier one did not; a page of a later release asks for no more than that."""
_KEEPALIVE_SECONDS = 15.0
_MOST_SHOWN = 2000
_LARGEST_EXPORT = 4 << 20
_EXPORTS_WAITING = 4
_MOST_CONNECTIONS = 128
_STALLED_SECONDS = 30.0
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Site:
    """The application on sockets that listen already; ``bound_to`` is their address, empty for a unix socket."""

    def __init__(self, sources: WebSources, bound_to: str) -> None:
        self._sources = sources
        self._bound_to = bound_to
        self._page = resources.files("cri_shim.explorer") / "page"
        self._streams: set[asyncio.Task[Any]] = set()
        self._feed = LiveFeed(sources.ledger, asyncio.get_running_loop().call_later)
        self._taking = asyncio.Lock()
        self._to_take = 0
        self._limits: ConnectionLimits | None = None
        self._listening: asyncio.Server | None = None
        self._watch: asyncio.Task[None] | None = None
        application = web.Application(middlewares=[self._guard], client_max_size=_LARGEST_EXPORT)
        application.add_routes(
            [
                web.get("/", self._index),
                web.get("/page/{name}", self._file),
                web.get("/metrics", self._metrics),
                web.get("/api/requests", self._requests),
                web.get("/api/requests/{id}", self._request),
                web.get("/api/methods", self._methods),
                web.get("/api/node", self._node),
                web.get("/api/calibration", self._calibration),
                *PodRoutes(sources).routes(),
                web.get("/api/live", self._live, allow_head=False),  # a HEAD would hold a place and get a body
            ]
        )
        if sources.take_spans is not None:
            application.router.add_post("/v1/traces", self._take_spans)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=LOGGER,
            handle_signals=False,
            shutdown_timeout=1.0,
            handler_cancellation=True,  # a watcher that has gone frees its place at once
            auto_decompress=False,  # a kilobyte may become a megabyte, so `_inflated` limits the size
            keepalive_timeout=PATIENCE,
            lingering_time=1.0,
        )

    async def serve(self, bound: socket.socket) -> None:
        """Serve the clients of this socket, including those that have connected already.

        An earlier socket is closed.
        """
        loop = asyncio.get_running_loop()
        self.release()
        if self._limits is None:
            await self._runner.setup()
            assert self._runner.server is not None  # noqa: S101 - made by setup
            self._limits = ConnectionLimits(self._runner.server, most=_MOST_CONNECTIONS)
            self._watch = asyncio.create_task(self._limits.watch(), name="http-connections")
        create: Any = loop.create_unix_server if bound.family is socket.AF_UNIX else loop.create_server
        self._listening = await create(self._limits, sock=bound)

    def release(self) -> None:
        """Close the socket that clients connect to; connections that exist go on."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    async def stop(self) -> None:
        """End all connections."""
        self.release()
        if self._watch is not None:
            self._watch.cancel()
        for stream in self._streams:
            stream.cancel()
        await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        if self._bound_to and host and not _is_ours(host, self._bound_to):
            raise web.HTTPForbidden(text="the Host header must be an address of this listener or localhost\n")
        origin = request.headers.get("Origin", "")
        if origin and origin.partition("://")[2] != host:
            raise web.HTTPForbidden(text="pages of another origin are not answered\n")
        assert self._limits is not None  # noqa: S101 - made before the first request
        with self._limits.answering(request.protocol):
            self._sources.ledger.catch_up()
            try:
                response = await handler(request)
            except web.HTTPClientError as error:
                response = refused(request, _explained(request, error))
            if not response.prepared:
                response.headers.update(_HEADERS)
            return response

    async def _index(self, _request: web.Request) -> web.Response:
        return self._sent("index.html")

    async def _file(self, request: web.Request) -> web.Response:
        return self._sent(request.match_info["name"])

    def _sent(self, name: str) -> web.Response:
        # Only names of existing files are served, so no path leads out of the folder.
        path = next((file for file in self._page.iterdir() if file.name == name and file.is_file()), None)
        if path is None:
            raise web.HTTPNotFound(text=f"{escaped(name)} does not exist\n")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return web.Response(body=path.read_bytes(), content_type=kind, charset="utf-8" if "text" in kind else None)

    async def _metrics(self, request: web.Request) -> web.Response:
        page, content_type = self._sources.metrics(",".join(request.headers.getall("Accept", ())))
        return web.Response(body=page, headers={"Content-Type": content_type})

    async def _requests(self, request: web.Request) -> web.Response:
        method, slowest = request.query.get("method", ""), request.query.get("slowest") == "1"
        reads = request.query.get("reads") != "0"
        limit = min(number("limit", request.query.get("limit", "100")), _MOST_SHOWN)
        search = search_words(request.query.get("search", ""))
        ledger = self._sources.ledger
        if slowest:
            requests: list[Request | PackedRequest] = [*ledger.slowest(method)]
        else:
            # Running requests are included, so that a client that connects during a long one sees it.
            ended = ledger.remembered(method) if method or search or not reads else ledger.newest()
            active = (ledger.name(one) for one in ledger.active_requests.values() if method in {"", one.method})
            requests = [*ended, *active]
            requests.sort(key=lambda one: one.id, reverse=True)
        if not reads:
            requests = [one for one in requests if one.method not in self._sources.reads]
        shown = await matching(requests, search, limit)
        return await list_answer("requests", (summary(unpacked(one)) for one in shown), ledger=ledger.enabled)

    async def _request(self, request: web.Request) -> web.Response:
        ledger = self._sources.ledger
        stored = ledger.find(number("the id of a request", request.match_info["id"]))
        if stored is None:
            return absent(request, "this request is not remembered")
        alike = ledger.newest_of(stored.method) if request.query.get("typical") != "0" else []
        shape = await finished(typical(packed for packed in alike if packed.id != stored.id))
        wanted = request.query.get("neighbours") != "0"
        beside = neighbours_json(stored, ledger.every(), self._sources.reads) if wanted else None
        one = await finished(record(stored))
        return await object_answer(one | {"typical": shape, "neighbours": beside})

    async def _methods(self, _request: web.Request) -> web.Response:
        remembered = in_pieces(self._sources.ledger.remembered())
        billed = [Billed(one.method, one.code, one.bill) async for one in remembered]
        return await list_answer("methods", totals(billed), ledger=self._sources.ledger.enabled)

    async def _node(self, _request: web.Request) -> web.Response:
        return web.json_response(dict(self._sources.node()) | {"offers": OFFERS})

    async def _calibration(self, _request: web.Request) -> web.Response:
        if self._sources.calibration is not None:
            return web.json_response(self._sources.calibration())
        return web.json_response(calibration(self._sources.ledger.transport, self._sources.ledger.front))

    async def _live(self, request: web.Request) -> web.StreamResponse:
        if len(self._feed) >= MOST_WATCHERS:
            refusal = web.HTTPServiceUnavailable(
                text=f"{MOST_WATCHERS} clients watch already, and each costs time of every request; close one\n",
                headers={"Retry-After": f"{PATIENCE:.0f}"},
            )
            # A browser ends a stream at 204 without an error in its console, and the page tries again.
            answer = web.Response(status=204) if avoids_errors(request) else refusal
            answer.force_close()  # a connection that stays open would take a place from other requests
            if answer is refusal:
                raise refusal
            return answer
        task = asyncio.current_task()
        if task is not None:
            self._streams.add(task)
            task.add_done_callback(self._streams.discard)
        with self._feed.watching() as watcher:
            response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
            await response.prepare(request)
            while True:
                try:
                    text = await asyncio.wait_for(watcher.next(), _KEEPALIVE_SECONDS)
                except TimeoutError:
                    text = b": still here\n\n"
                try:
                    await asyncio.wait_for(response.write(text), _STALLED_SECONDS)
                except ConnectionError:
                    return response  # the client has hung up at this moment
                except TimeoutError:
                    # The client reads nothing, and holds a place that others need.
                    if request.transport is not None:
                        request.transport.abort()
                    return response

    async def _take_spans(self, request: web.Request) -> web.Response:
        if self._sources.take_spans is None:
            raise web.HTTPNotFound
        if self._to_take >= _EXPORTS_WAITING:
            raise web.HTTPServiceUnavailable(
                text=f"{_EXPORTS_WAITING} exports wait already\n", headers={"Retry-After": "1"}
            )
        kind = request.content_type
        self._to_take += 1
        try:
            body = await asyncio.wait_for(request.read(), PATIENCE)
            body = _inflated(body, request.headers.get("Content-Encoding", "").lower())
            async with self._taking:
                answer = await self._sources.take_spans(body, kind)
        except TimeoutError:
            raise web.HTTPRequestTimeout(text=f"the body did not come within {PATIENCE:g} s\n") from None
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{escaped(str(error))}\n") from error
        finally:
            self._to_take -= 1
        return web.Response(body=answer, content_type=kind)


def _explained(request: web.Request, error: web.HTTPClientError) -> web.HTTPClientError:
    """Return what to say of a path that does not exist; other errors have their own sentence already."""
    if request.match_info.http_exception is not error or error.status != web.HTTPNotFound.status_code:
        return error
    return web.HTTPNotFound(text=f"there is no {escaped(request.path)} here; the explorer is at /\n")


def _inflated(body: bytes, encoding: str) -> bytes:
    """Decompress a large export.

    Raises ``ValueError`` for another encoding or damaged data, and HTTPRequestEntityTooLarge if the result would be too
    large.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "deflate"}:
        raise ValueError(f"content encoding {encoding!r} is not supported, gzip and deflate are")
    reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        data = reader.decompress(body, _LARGEST_EXPORT + 1)
    except zlib.error as error:
        raise ValueError(f"the body is not {encoding}: {error}") from None
    if len(data) > _LARGEST_EXPORT:
        raise web.HTTPRequestEntityTooLarge(_LARGEST_EXPORT, text=f"an export may have {_LARGEST_EXPORT} bytes\n")
    if not reader.eof:
        raise ValueError(f"the body is not complete {encoding}")
    return data


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
