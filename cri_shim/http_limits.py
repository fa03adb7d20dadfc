"""How many clients an HTTP server of ours has at once, and how long each may take: what aiohttp leaves open.

A connection on which no request is being answered has some seconds to bring a whole one, or to take the answer to the
last; then it is closed. That holds for headers that are sent byte by byte, for connections kept open for later, and for
clients that do not read. When there are too many such connections, a new one gets an answer that says so and is closed.
Connections on which a request is being answered, a live stream or a session of exec, count elsewhere and have time
limits of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Final, cast

from aiohttp.http_exceptions import HttpProcessingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohttp.web_protocol import RequestHandler
    from aiohttp.web_server import Server

PATIENCE: Final = 10.0
"""Seconds from the connection, or from the last answer, to the end of the next request's header."""
POLL_SECONDS: Final = 2.0

_REFUSAL: Final = (
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {size}\r\n"
    "Connection: close\r\nRetry-After: {seconds:.0f}\r\n\r\n{text}"
)


class _NotOfClients(logging.Filter):
    """Drops records about requests that are not HTTP, which any client can cause as often as it likes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is kept."""
        return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


LOGGER: Final = logging.getLogger("cri_shim.http")
"""For aiohttp's servers."""
LOGGER.addFilter(_NotOfClients())


class ConnectionLimits:
    """Makes the protocols of ``server``, at most ``most`` at once that are not at work."""

    def __init__(self, server: Server, *, most: int, patience: float = PATIENCE) -> None:
        self._server = server
        self._most = most
        self._patience = patience
        self._working: set[RequestHandler] = set()
        self._since: dict[RequestHandler, float] = {}

    def __call__(self) -> asyncio.BaseProtocol:
        """Make a protocol for a client that has just connected."""
        if len(self._server.connections) - len(self._working) >= self._most:
            return _Refusal(f"{self._most} connections wait already; close some, or try again\n", self._patience)
        return self._server()

    @contextlib.contextmanager
    def at_work(self, protocol: RequestHandler) -> Iterator[None]:
        """A request of this connection is being answered for the length of a ``with`` block."""
        self._working.add(protocol)
        try:
            yield
        finally:
            self._working.discard(protocol)
            self._since[protocol] = time.monotonic()

    async def watch(self) -> None:
        """Close those that take too long, until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.close_late()

    def close_late(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Close those that have had their time."""
        now = clock()
        waiting = [one for one in self._server.connections if one not in self._working]
        self._since = {one: self._since.get(one, now) for one in waiting}
        for one, since in self._since.items():
            if now - since >= self._patience and one.transport is not None:
                # Not close(): that would wait for the client to take what is left.
                one.transport.abort()


class _Refusal(asyncio.Protocol):
    def __init__(self, text: str, seconds: float) -> None:
        self._answer = _REFUSAL.format(size=len(text), seconds=seconds, text=text).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say why, and close."""
        sending = cast("asyncio.Transport", transport)
        sending.write(self._answer)
        sending.close()
