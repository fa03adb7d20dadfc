"""The HTTP server to which clients of exec, attach and port-forward connect, with the URL from the RPC's response.

It listens from the daemon's start, so that a port in use is noticed then. aiohttp, which takes 12 MiB of memory, is
loaded when the first URL is requested. Each connection belongs to one request and ends with it.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import structlog

from cri_shim.streaming.pending import BACKLOG, Pending
from cri_shim.streaming.tokens import Tokens

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from cri_shim.streaming.http import Streams
    from cri_shim.streaming.port_forward import ForwardRequest
    from cri_shim.streaming.remote import RemoteRequest

log = structlog.get_logger(__name__)


class StreamingServer:
    """The streaming server at one address and port.

    ``tls`` makes the context on first use, None means plain HTTP; ``idle_timeout`` is in seconds, 0 for none.
    """

    def __init__(
        self, address: str, port: int, *, idle_timeout: float, tls: Callable[[], ssl.SSLContext] | None = None
    ) -> None:
        self._address = address
        self._port = port
        self.idle_timeout = idle_timeout
        """Of sessions that begin from now on."""
        self._tls = tls
        self._tokens: Tokens[Pending] = Tokens()
        self._socket: socket.socket | None = None
        self._starting: asyncio.Lock = asyncio.Lock()
        self._streams: Streams | None = None

    def bind(self) -> None:
        """Listen on the port.

        Raises ``OSError`` if that is not possible.
        """
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        try:
            self._socket = socket.create_server((self._address, self._port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise OSError(
                error.errno, f"streaming server cannot listen on {self._address} port {self._port}: {error.strerror}"
            ) from error
        self._socket.setblocking(False)

    @property
    def base_url(self) -> str:
        """The beginning of every URL; the server must be bound."""
        if self._socket is None:
            raise RuntimeError("the streaming server has no port yet")
        port = self._socket.getsockname()[1]
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"{'https' if self._tls else 'http'}://{host}:{port}"

    async def url(self, kind: str, request: RemoteRequest | ForwardRequest) -> str:
        """Return a URL at which ``request`` waits for its client, for a minute.

        Raises ``ResourceExhaustedError`` if too many requests wait.
        """
        await self._serve()
        return f"{self.base_url}/{kind}/{self._tokens.add(Pending(kind, request))}"

    async def _serve(self) -> None:
        async with self._starting:
            if self._streams is not None or self._socket is None:
                return
            from cri_shim.streaming.http import Streams  # noqa: PLC0415 - aiohttp's 12 MiB

            context = await asyncio.to_thread(self._tls) if self._tls else None
            streams = Streams(self._tokens.take, idle_timeout=lambda: self.idle_timeout)
            await streams.start(self._socket, context)
            self._streams = streams
            log.info("stream.serving", url=self.base_url)

    async def stop(self) -> None:
        """End all sessions and close the port."""
        if self._streams is not None:
            await self._streams.stop()
        if self._socket is not None:
            self._socket.close()
