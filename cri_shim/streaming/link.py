"""The connection below a SPDY session: a socket taken over from HTTP, or binary WebSocket messages."""

from __future__ import annotations

import asyncio
import select
from typing import TYPE_CHECKING, Protocol, cast

from cri_shim.streaming.remote import ClientGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

WRITE_HIGH = 256 * 1024
"""Bytes waiting to be sent, above which a sender has to wait."""


def hung_up(transport: asyncio.Transport | None) -> bool:
    """Return whether the peer has closed its end.

    This asks the socket, because a transport that is not reading does not notice.
    """
    fd = -1 if transport is None or transport.is_closing() else transport.get_extra_info("socket").fileno()
    if fd < 0:
        return True
    poll = select.poll()
    poll.register(fd, select.POLLRDHUP)
    return bool(poll.poll(0))


class Link(Protocol):
    """What a session needs of its connection."""

    @property
    def backlog(self) -> int:
        """Bytes that wait to be sent."""
        ...

    def write(self, data: bytes) -> None:
        """Send now or soon; do nothing after the end."""
        ...

    async def drain(self) -> None:
        """Wait until more may be sent.

        Raises ``ClientGoneError`` if the client is gone.
        """
        ...

    def hold(self, holding: bool) -> None:
        """Stop reading, or go on."""
        ...

    def hung_up(self) -> bool:
        """Return whether the client has closed its end, which goes unnoticed while reading is stopped."""
        ...

    def close(self) -> None:
        """Close once everything is sent."""
        ...

    def abort(self) -> None:
        """Close now."""
        ...


class SocketLink(asyncio.Protocol):
    """A transport taken over from aiohttp, whose own protocol still gets the end, so that it can clean up."""

    def __init__(self, transport: asyncio.Transport, feed: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self._transport = transport
        self._before = transport.get_protocol()
        self._feed = feed
        self._lost = lost
        self._is_lost = transport.is_closing()
        self._full = False
        self._waiters: list[asyncio.Future[None]] = []
        transport.set_write_buffer_limits(high=WRITE_HIGH)
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Pass on what arrived; the transport calls this."""
        self._feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; the transport calls this once."""
        self._is_lost = True
        self._wake()
        self._lost()
        cast("asyncio.Protocol", self._before).connection_lost(exc)

    def pause_writing(self) -> None:
        """Note that the buffer is full; the transport calls this."""
        self._full = True

    def resume_writing(self) -> None:
        """Wake the senders; the transport calls this."""
        self._full = False
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    @property
    def backlog(self) -> int:
        """See Link."""
        return self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """See Link."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """See Link.

        Other tasks get to run even when there is room.
        """
        if not self._full:
            await asyncio.sleep(0)
        while self._full and not self._is_lost:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self._is_lost:
            raise ClientGoneError("the client has closed the connection")

    def hold(self, holding: bool) -> None:
        """See Link."""
        if self._transport.is_closing():
            return
        if holding:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def hung_up(self) -> bool:
        """See Link."""
        return hung_up(self._transport)

    def close(self) -> None:
        """See Link."""
        self._transport.close()

    def abort(self) -> None:
        """See Link."""
        self._transport.abort()
