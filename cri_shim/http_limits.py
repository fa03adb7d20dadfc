"""Limit how many clients an HTTP server has at once and how long each may take, because aiohttp limits neither.

A connection on which no request is being answered has some seconds to send a whole request, or to take the answer to
the last one; then the server closes it. That covers headers that are sent byte by byte, connections kept open for
later, and clients that do not read. When there are too many such connections, a new one gets an answer that says so and
is closed. A connection on which a request is being answered (a live stream, or an exec session) counts elsewhere and
has time limits of its own.
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
    """Drop records about requests that are not HTTP, which any client can cause as often as it likes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to keep ``record``."""
        return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


LOGGER: Final = logging.getLogger("cri_shim.http")
"""The logger for aiohttp's servers."""
LOGGER.addFilter(_NotOfClients())


class ConnectionLimits:
    """Make the protocols of ``server``, and keep at most ``most`` connections that are not at work."""

    def __init__(self, server: Server, *, most: int, patience: float = PATIENCE) -> None:
        self._server = server
        self._most = most
        self._patience = patience
        self._working: set[RequestHandler] = set()
        self._since: dict[RequestHandler, float] = {}

    def __call__(self) -> asyncio.BaseProtocol:
        """Make the protocol for a client that has just connected."""
        if len(self._server.connections) - len(self._working) >= self._most:
            return _Refusal(f"{self._most} connections are waiting already; close some, or try again\n", self._patience)
        return self._server()

    @contextlib.contextmanager
    def answering(self, protocol: RequestHandler) -> Iterator[None]:
        """Mark the connection as answering a request while the ``with`` block runs."""
        self._working.add(protocol)
        try:
            yield
        finally:
            self._working.discard(protocol)
            self._since[protocol] = time.monotonic()

    async def watch(self) -> None:
        """Close connections that take too long, until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.close_late()

    def close_late(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Close the connections whose time is over."""
        now = clock()
        waiting = [one for one in self._server.connections if one not in self._working]
        self._since = {one: self._since.get(one, now) for one in waiting}
        for one, since in self._since.items():
            if now - since >= self._patience and one.transport is not None:
                # close() would wait for the client to take the rest of the answer.
                one.transport.abort()


class _Refusal(asyncio.Protocol):
    def __init__(self, text: str, seconds: float) -> None:
        self._answer = _REFUSAL.format(size=len(text), seconds=seconds, text=text).encode()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the reason, and close the connection."""
        sending = cast("asyncio.Transport", transport)
        sending.write(self._answer)
        sending.close()
