"""Turn an HTTP request with a token into a session: choose the upgrade, and run the class that speaks it.

There is one kind of path, so this uses aiohttp's low-level server: its router, its application and what they can serve
would take another 1.3 MiB.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp.web_exceptions import HTTPBadRequest, HTTPForbidden, HTTPMethodNotAllowed, HTTPNotFound
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server
from aiohttp.web_ws import WebSocketResponse
from msgspec import structs

from cri_shim.http_limits import LOGGER, PATIENCE, ConnectionLimits
from cri_shim.os_errors import cri_error_of
from cri_shim.status_text import status_text
from cri_shim.streaming.channels import BY_NAME, PORT_FORWARD_TUNNEL
from cri_shim.streaming.link import SocketLink
from cri_shim.streaming.pending import BACKLOG
from cri_shim.streaming.port_forward import PROTOCOL, ForwardRequest, SpdyForward
from cri_shim.streaming.remote import ClientGoneError, Outcome
from cri_shim.streaming.remotecommand import VERSIONS, SpdyRemoteClient
from cri_shim.streaming.tunnel import TunnelLink
from cri_shim.streaming.websocket import WebSocketRemoteClient
from cri_shim.streaming.websocket_forward import WebSocketForward

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Coroutine

    from aiohttp.web_request import BaseRequest

    from cri_shim.streaming.pending import Pending
    from cri_shim.streaming.remote import RemoteClient, RemoteRequest
    from cri_shim.streaming.spdy_session import SpdySession

MESSAGE: Final = 1 << 20
"""The most bytes of a WebSocket message from a client; the usual ones have 32 KiB."""

CLOSE: Final = 2.0
"""Seconds that a WebSocket client has to answer our closing message."""

STOP: Final = 3.0
"""Seconds that sessions have to end when the server stops."""

MOST_WAITING: Final = 256
"""The most connections without a session, which are those of clients that have not sent their token yet."""

_PATH: Final = re.compile(r"/(exec|attach|portforward)/([^/]+)")
_METHODS: Final = ("GET", "POST")
_SPDY: Final = "spdy/3.1"
_VERSION_HEADER: Final = "X-Stream-Protocol-Version"

log = structlog.get_logger(__name__)


class Streams:
    """The connections; ``take`` returns the request of a token, once.

    ``idle_timeout`` returns the seconds after which an idle session is ended, and is asked when a session begins.
    """

    def __init__(self, take: Callable[[str], Pending | None], *, idle_timeout: Callable[[], float]) -> None:
        self._take = take
        self._idle_timeout = idle_timeout
        self._sessions: set[asyncio.Task[None]] = set()
        self._connections = Server(
            self._handle, access_log=None, logger=LOGGER, keepalive_timeout=PATIENCE, lingering_time=1.0
        )
        self._limits = ConnectionLimits(self._connections, most=MOST_WAITING)
        self._watch: asyncio.Task[None] | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        """Serve on ``listening``, with TLS if there is a context."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._limits,
            sock=listening,
            ssl=context,
            backlog=BACKLOG,
            ssl_handshake_timeout=PATIENCE if context is not None else None,
        )
        self._watch = loop.create_task(self._limits.watch(), name="streaming-connections")

    async def stop(self) -> None:
        """End the sessions, then the server."""
        if self._listener is not None:
            self._listener.close()
        if self._watch is not None:
            self._watch.cancel()
        for session in tuple(self._sessions):
            session.cancel()
        if self._sessions:
            await asyncio.wait(tuple(self._sessions), timeout=STOP)
        self._connections.pre_shutdown()
        await self._connections.shutdown(STOP)

    async def _handle(self, request: BaseRequest) -> StreamResponse:
        with self._limits.answering(request.protocol):
            return await self._answer(request)

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise HTTPNotFound
        if request.method not in _METHODS:
            raise HTTPMethodNotAllowed(request.method, _METHODS)
        kind, token = match.groups()
        pending = self._take(token)
        if pending is None or pending.kind != kind:
            raise HTTPNotFound(text="no such streaming request; tokens are good for one connection in one minute\n")
        upgrade = request.headers.get("Upgrade", "").lower()
        if upgrade == "websocket":
            return await self._websocket(request, pending)
        if upgrade == _SPDY:
            return await self._spdy(request, pending)
        raise HTTPBadRequest(text="this URL is for an upgrade to SPDY/3.1 or websocket\n")

    async def _in_session(self, work: Coroutine[None, None, None]) -> None:
        """Run ``work`` in a separate task, which :meth:`stop` can end."""
        task = asyncio.create_task(work)
        self._sessions.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._sessions.discard(task)
            task.cancel()
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, ClientGoneError):
                log.info("stream.client_gone", reason=str(error))
            else:
                log.error("stream.failed", error=repr(error), exc_info=error)

    # SPDY

    async def _spdy(self, request: BaseRequest, pending: Pending) -> StreamResponse:
        forward = isinstance(pending.request, ForwardRequest)
        version = _negotiated(request, (PROTOCOL,) if forward else VERSIONS)
        response = StreamResponse(
            status=101, headers={"Connection": "Upgrade", "Upgrade": "SPDY/3.1", _VERSION_HEADER: version}
        )
        response.force_close()
        transport = request.transport
        if transport is None:
            return response
        transport.pause_reading()  # until the SPDY session is attached
        await response.prepare(request)
        if isinstance(pending.request, ForwardRequest):
            forwarding = SpdyForward(pending.request.pod, idle_timeout=self._idle_timeout())
            _link(transport, forwarding.session)
            await self._in_session(forwarding.run())
            forwarding.session.close()
        else:
            client = SpdyRemoteClient(pending.request.wanted, version, idle_timeout=self._idle_timeout())
            _link(transport, client.session)
            await self._in_session(_remote(pending.request, client, client.ready()))
            client.session.close()
        return response

    # WebSocket

    async def _websocket(self, request: BaseRequest, pending: Pending) -> StreamResponse:
        offered = [
            name.strip() for line in request.headers.getall("Sec-WebSocket-Protocol", []) for name in line.split(",")
        ]
        known = {PORT_FORWARD_TUNNEL: None, **BY_NAME} if isinstance(pending.request, ForwardRequest) else BY_NAME
        name = next((name for name in known if name in offered), "")
        if offered and not name:
            raise HTTPForbidden(text=f"none of the sub-protocols {offered} is supported: {sorted(known)} are\n")
        socket = WebSocketResponse(
            protocols=(name,) if name else (), timeout=CLOSE, max_msg_size=MESSAGE, compress=False
        )
        await socket.prepare(request)
        await self._in_session(self._over_websocket(request, socket, name, pending))
        if not socket.closed:
            await socket.close()
        return socket

    async def _over_websocket(
        self, request: BaseRequest, socket: WebSocketResponse, name: str, pending: Pending
    ) -> None:
        if not isinstance(pending.request, ForwardRequest):
            wanted = pending.request.wanted
            client = WebSocketRemoteClient(
                socket, request.transport, BY_NAME[name], wanted, idle_timeout=self._idle_timeout()
            )
            helpers = [asyncio.create_task(client.listen()), asyncio.create_task(client.watch())]
            try:
                await _remote(pending.request, client, client.greet())
            finally:
                for helper in helpers:
                    helper.cancel()
                await asyncio.gather(*helpers, return_exceptions=True)
        elif name == PORT_FORWARD_TUNNEL:
            forwarding = SpdyForward(pending.request.pod, idle_timeout=self._idle_timeout())
            tunnel = TunnelLink(socket, request.transport, forwarding.session)
            forwarding.session.attach(tunnel)
            running = asyncio.create_task(forwarding.run())
            try:
                await tunnel.run()
                await running
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
        else:
            await WebSocketForward(socket, BY_NAME[name], pending.request).run()


def _link(transport: asyncio.Transport, session: SpdySession) -> None:
    session.attach(SocketLink(transport, session.feed, session.lost))
    transport.resume_reading()


async def _remote(request: RemoteRequest, client: RemoteClient, ready: Coroutine[None, None, None]) -> None:
    await ready
    try:
        outcome = await request.run(client)
    except ClientGoneError:
        raise
    except OSError as error:
        outcome = Outcome(error=str(cri_error_of(error)))
    except Exception as error:
        log.exception("stream.bug", error=repr(error))
        outcome = Outcome(error=f"streaming failed unexpectedly: {error!r}")
    # A text without a UTF-8 form could not be sent, and the client would see an end without a reason.
    await client.finish(structs.replace(outcome, error=status_text(outcome.error)) if outcome.error else outcome)


def _negotiated(request: BaseRequest, spoken: tuple[str, ...]) -> str:
    """Return the protocol version to use.

    Raises ``HTTPBadRequest`` or ``HTTPForbidden``, as the kubelet's own server answers.
    """
    offered = [name.strip() for line in request.headers.getall(_VERSION_HEADER, []) for name in line.split(",")]
    if not any(offered):
        raise HTTPBadRequest(text=f"header {_VERSION_HEADER} is missing\n")
    for version in spoken:
        if version in offered:
            return version
    raise HTTPForbidden(
        text=f"none of the protocol versions {offered} is supported\n",
        headers=[("X-Accepted-Stream-Protocol-Versions", version) for version in spoken],
    )
