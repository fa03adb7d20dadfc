"""Read a large body straight into buffers of a message's size, past the HTTP library.

aiohttp copies each byte of a body twice and wakes its reader for every packet. A body of known length that needs no
decoding can do without: after the headers, every byte on the connection belongs to the body until it ends. So the rest
of a large body is read here, from the same transport (TLS and proxies included), and the connection is closed
afterwards. While data arrive fast, the kernel reports them only when many have gathered (docs/adr/0043).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from copy import copy
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import aiohttp

LARGE: Final = 8 << 20
"""Bytes of a body from which on reading it this way pays for a connection that cannot be used again."""
BLOCK: Final = 4 << 20
"""Bytes of one buffer."""
GATHERED: Final = 512 << 10
"""Bytes that the kernel gathers before it reports them, as long as they arrive within :data:`SOON`."""
SOON: Final = 0.05
"""Seconds; a connection that takes longer for :data:`GATHERED` reports each packet from then on."""
HELD: Final = 64 << 10
"""Bytes at the end of a body for which the kernel does not wait.

TLS may hold as many already: the beginning of a record whose end has not arrived, once more if a proxy adds its own.
"""


def can_be_taken(response: aiohttp.ClientResponse) -> bool:
    """Return whether the rest of this response's body is large, of known length and the only thing to come."""
    length = response.content_length
    return (
        length is not None
        and length - response.content.total_bytes >= LARGE
        and "Transfer-Encoding" not in response.headers
        and response.connection is not None
        and response.connection.transport is not None
        and not response.connection.transport.is_closing()
    )


async def taken(response: aiohttp.ClientResponse, idle_limit: float | None) -> AsyncGenerator[bytes | memoryview, None]:
    """Yield the body of a response that :func:`can_be_taken`, then close its connection.

    A view is valid until :data:`BLOCK` more bytes were yielded, because its memory is used again. Raises TimeoutError
    if no byte arrives for ``idle_limit`` seconds, and an OSError if the connection ends early.
    """
    connection = response.connection
    try:
        # Everything that the library has read already. While its buffer is empty, it holds no other bytes back.
        while first := response.content.read_nowait():
            yield first
        rest = (response.content_length or 0) - response.content.total_bytes
        if not rest:
            return
        if connection is None or connection.transport is None or connection.transport.is_closing():
            raise ConnectionResetError
        body = _Body(connection.transport, cast("asyncio.Protocol", connection.protocol), rest, idle_limit)
        try:
            while piece := await body.read():
                yield piece
        finally:
            body.close()
    finally:
        response.close()


class _Body(asyncio.BufferedProtocol):
    """Fills two blocks in turn, and reads no further before its reader has emptied the one that is full."""

    def __init__(
        self, transport: asyncio.Transport, library: asyncio.Protocol, size: int, idle_limit: float | None
    ) -> None:
        self._transport = transport
        self._library = library
        self._rest = size
        self._idle_limit = idle_limit or 0.0
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._block, self._other = (memoryview(bytearray(min(size, BLOCK))) for _ in range(2))
        self._begin = self._end = 0
        """The part of the block that has arrived and was not yielded yet."""
        self._paused = True
        self._ended: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._gathers = 1
        transport.pause_reading()  # until the first read()
        transport.set_protocol(self)
        self._gather(GATHERED)

    async def read(self) -> memoryview | None:
        """Return what has arrived, as soon as there is something; None at the end of the body."""
        if self._begin == self._end:
            if not self._rest:
                return None
            if self._end == len(self._block):
                self._block, self._other = self._other[: self._rest], self._block
                self._begin = self._end = 0
            if self._ended is not None:
                raise self._ended
            self._resume()
            await self._arrival()
        piece = self._block[self._begin : self._end]
        if not piece and self._ended is not None:
            raise self._ended
        self._begin = self._end
        return piece

    def close(self) -> None:
        """Drop what is still to come, and the blocks, because a closed transport of uvloop refers to us for long."""
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        self._ended = None
        self._block = self._other = memoryview(b"")

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the rest of the block (for the transport)."""
        del sizehint
        return self._block[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Note that bytes have arrived (for the transport)."""
        self._end += nbytes
        self._rest -= nbytes
        self._last = self._loop.time()
        if self._gathers > max(1, self._rest - HELD):
            self._gather(self._gathers)
        if self._end == len(self._block):
            self._transport.pause_reading()
            self._paused = True
        self._wake()

    def eof_received(self) -> bool:
        """Note that the other side sends no more (for the transport)."""
        self._end_with(ConnectionResetError())
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection (for the transport), of which the library has to know too."""
        # A copy, because the library keeps the error itself in a cycle: with our traceback, and what that refers to.
        self._end_with(copy(exc) or ConnectionResetError())
        self._library.connection_lost(exc)

    def _end_with(self, error: Exception) -> None:
        if self._ended is None:
            self._ended = error
        self._wake()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._last = self._loop.time()
            self._transport.resume_reading()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _arrival(self) -> None:
        self._waiter = self._loop.create_future()
        if self._timer is None:
            self._watch()
        await self._waiter

    def _watch(self) -> None:
        """Look again when the shortest limit of a silence will have passed."""
        limit = SOON if self._gathers > 1 else self._idle_limit
        if limit:
            self._timer = self._loop.call_at(self._last + limit, self._check)

    def _check(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return  # the reader is at work; it sets the timer again
        silence = self._loop.time() - self._last
        if self._gathers > 1 and silence >= SOON:
            self._gather(1)
        if self._idle_limit and silence >= self._idle_limit:
            self._end_with(TimeoutError())
        else:
            self._watch()

    def _gather(self, count: int) -> None:
        """Have the kernel report bytes when there are so many, but each packet at the end of the body."""
        self._gathers = max(1, min(count, self._rest - HELD))
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):  # closed just now, or not TCP; then each packet is reported
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, self._gathers)
