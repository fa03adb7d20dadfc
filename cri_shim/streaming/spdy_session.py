"""A SPDY connection on the event loop, with streams to read from and write to.

:mod:`cri_shim.streaming.spdy` is the codec without I/O; this module feeds it, applies back-pressure in both directions,
and notices clients that are gone, idle or too greedy.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from cri_shim.streaming.inbox import Inbox
from cri_shim.streaming.remote import ClientGoneError
from cri_shim.streaming.spdy import Connection, Limits, LocalProtocolError, RemoteProtocolError
from cri_shim.streaming.spdy.errors import GoAwayCode, ResetCode
from cri_shim.streaming.spdy.events import DataReceived, StreamEnded, StreamOpened, StreamReset, WindowOpened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cri_shim.streaming.link import Link
    from cri_shim.streaming.spdy.events import Event

HELD: Final = 4 << 20
"""Bytes of all streams waiting for their readers, above which the session stops reading from the client."""

ANSWERS: Final = 4 << 20
"""Bytes waiting for a client that makes us answer and does not read, above which it is cut off."""

PIECE: Final = 256 * 1024
"""The largest data frame that is sent."""

PING_EVERY: Final = 30.0
"""Seconds of silence after which the session pings the client, because only writing shows that a client is dead."""

PING_HELD: Final = 5.0
"""The same for a client that is not being read; there, only a write shows that it has gone."""

POLL_EVERY: Final = 3.0
"""Seconds between two checks whether a client that is not being read is still there."""

_HTTP_ANSWER: Final = {":status": "200", ":version": "HTTP/1.1"}

log = structlog.get_logger(__name__)


class SpdyStream:
    """One stream that the client has opened.

    The methods raise ``ClientGoneError`` if the stream was reset or the client is gone.
    """

    __slots__ = ("_session", "headers", "id", "inbox")

    def __init__(self, session: SpdySession, stream_id: int, headers: Mapping[str, str]) -> None:
        self._session = session
        self.id = stream_id
        self.headers = headers
        self.inbox = Inbox()

    async def read(self) -> bytes:
        """Return the next bytes; none at the end."""
        data = await self.inbox.get()
        self._session.taken(self.id, len(data))
        return data

    async def write(self, data: bytes) -> None:
        """Send, as the windows and the connection allow."""
        await self._session.send(self.id, data)

    def end(self) -> None:
        """Send no more; a stream that is over already is fine."""
        self._session.end(self.id)

    def reset(self, code: ResetCode = ResetCode.CANCEL) -> None:
        """End both directions; a stream that is over already is fine."""
        self._session.reset(self.id, code)


class SpdySession:
    """One client's SPDY connection.

    ``on_stream`` gets each new stream and returns True to accept it, False to reset it.
    """

    def __init__(
        self, on_stream: Callable[[SpdyStream], bool], *, idle_timeout: float = 0.0, limits: Limits | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = Connection(limits)
        self._on_stream = on_stream
        self._idle_timeout = idle_timeout
        self._streams: dict[int, SpdyStream] = {}
        self._link: Link | None = None
        self._gone = asyncio.Event()
        self._room = asyncio.Event()
        self._held = 0
        self._holding = False
        self._next_ping = 2
        self._heard = self._used = self._loop.time()
        self._timer = self._loop.call_later(min(POLL_EVERY, idle_timeout or POLL_EVERY), self._tick)

    def attach(self, link: Link) -> None:
        """Begin the session on ``link``; bytes come by :meth:`feed`, their end by :meth:`lost`."""
        self._link = link

    async def gone(self) -> None:
        """Return when the client is gone."""
        await self._gone.wait()

    # The client's side.

    def feed(self, data: bytes) -> None:
        """Process bytes that have arrived."""
        if self._gone.is_set():
            return
        self._heard = self._used = self._loop.time()
        try:
            for event in self._connection.receive_data(data):
                self._handle(event)
        except RemoteProtocolError as error:
            log.warning("stream.protocol_error", error=str(error))
            self._flush()
            self._end(ClientGoneError(f"the client broke the protocol: {error}"))
            if self._link is not None:
                self._link.close()
            return
        self._flush()
        self._hold()
        if self._link is not None and self._link.backlog > ANSWERS:
            log.warning("stream.answers_unread", bytes=self._link.backlog)
            self._end(ClientGoneError("the client asks and does not listen"))
            self._link.abort()

    def lost(self) -> None:
        """End the session because the connection is gone."""
        self._end(ClientGoneError("the client has closed the connection"))

    def _handle(self, event: Event) -> None:
        if isinstance(event, DataReceived):
            stream = self._streams.get(event.stream_id)
            if stream is None:
                self._connection.take(event.stream_id, len(event.data))
            else:
                self._held += len(event.data)
                stream.inbox.put(event.data)
        elif isinstance(event, StreamOpened):
            self._opened(SpdyStream(self, event.stream_id, event.headers))
        elif isinstance(event, StreamEnded):
            if stream := self._streams.get(event.stream_id):
                stream.inbox.end()
        elif isinstance(event, StreamReset):
            self._forget(event.stream_id)
            self._room.set()
        elif isinstance(event, WindowOpened):
            self._room.set()

    def _opened(self, stream: SpdyStream) -> None:
        if not self._on_stream(stream):
            self._connection.reset(stream.id, ResetCode.REFUSED_STREAM)
            return
        self._streams[stream.id] = stream
        # A client that asks as HTTP does expects an answer like HTTP's (SPDY/3.1, 3.2); Go's clients do neither.
        self._connection.accept(stream.id, _HTTP_ANSWER if ":method" in stream.headers else {})

    def _forget(self, stream_id: int) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self._held -= stream.inbox.size
            stream.inbox.end(ClientGoneError("the client has reset the stream"))

    def _end(self, error: ClientGoneError) -> None:
        self._timer.cancel()
        for stream in self._streams.values():
            stream.inbox.end(error)
        self._streams.clear()
        self._gone.set()
        self._room.set()

    def _tick(self) -> None:
        """Ping a silent client, and end one that has been idle for too long."""
        now = self._loop.time()
        if self._idle_timeout and now - self._used >= self._idle_timeout:
            log.info("stream.idle", seconds=self._idle_timeout)
            self.close()
            return
        if self._holding and self._link is not None and self._link.hung_up():
            self._link.abort()
            self.lost()
            return
        if now - self._heard >= (PING_HELD if self._holding else PING_EVERY):
            self._heard = now
            self._connection.ping(self._next_ping)
            self._next_ping += 2
            self._flush()
        pause = min(POLL_EVERY, self._idle_timeout or POLL_EVERY)
        self._timer = self._loop.call_later(pause, self._tick)

    # Our side.

    def taken(self, stream_id: int, size: int) -> None:
        """Count bytes that a reader has consumed."""
        if not size or self._gone.is_set():
            return
        self._held -= size
        self._connection.take(stream_id, size)
        self._flush()
        self._hold()

    async def send(self, stream_id: int, data: bytes) -> None:
        """Send data in frames, each when there is room for it."""
        rest = memoryview(data)
        while rest:
            if self._gone.is_set() or self._link is None:
                raise ClientGoneError("the client is gone")
            try:
                room = self._connection.room(stream_id)
                if room <= 0:
                    self._room.clear()
                    await self._room.wait()
                    continue
                size = min(room, PIECE)
                self._connection.send_data(stream_id, rest[:size])
            except LocalProtocolError as error:
                raise ClientGoneError(str(error)) from None
            rest = rest[size:]
            self._used = self._loop.time()
            self._flush()
            await self._link.drain()

    def end(self, stream_id: int) -> None:
        """End our direction of a stream."""
        if self._gone.is_set():
            return
        try:
            self._connection.send_data(stream_id, b"", fin=True)
        except LocalProtocolError:
            return  # the stream was reset meanwhile
        self._flush()

    def reset(self, stream_id: int, code: ResetCode) -> None:
        """End both directions of a stream."""
        if not self._gone.is_set():
            self._connection.reset(stream_id, code)
            self._forget(stream_id)
            self._flush()
            self._hold()

    def close(self) -> None:
        """Send GOAWAY, and close once everything is sent."""
        if not self._gone.is_set():
            self._connection.go_away(GoAwayCode.OK)
            self._flush()
            self._end(ClientGoneError("the connection was closed"))
        if self._link is not None:
            self._link.close()

    def _flush(self) -> None:
        data = self._connection.data_to_send()
        if data and self._link is not None:
            self._link.write(data)

    def _hold(self) -> None:
        holding = self._held > (HELD // 2 if self._holding else HELD)
        if holding != self._holding and self._link is not None:
            self._holding = holding
            self._link.hold(holding)
