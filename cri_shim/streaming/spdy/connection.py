"""One SPDY/3.1 connection: arriving bytes become events, and calls become bytes to send.

Theory of operation. Call :meth:`Connection.receive_data` with arrived bytes and handle the events it returns; after
that, and after every other call, send what :meth:`Connection.data_to_send` returns. RemoteProtocolError means that the
connection is over: send what is left (a GOAWAY that says why), then close. A mistake on one stream resets that stream
only. :mod:`.states` describes the life of a stream.

Flow control. The library that kubectl, crictl and the kubelet use neither respects windows nor opens them; other SPDY
implementations stall without. So this module always counts and opens windows, and they become binding, in both
directions, with the first SETTINGS or WINDOW_UPDATE of the peer. Until then, the code that does the I/O holds the peer
back by not reading.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.streaming.spdy import frames
from cri_shim.streaming.spdy.errors import GoAwayCode, LocalProtocolError, RemoteProtocolError, ResetCode
from cri_shim.streaming.spdy.events import (
    DataReceived,
    GoneAway,
    HeadersReceived,
    PingAnswered,
    StreamAccepted,
    StreamEnded,
    StreamOpened,
    StreamReset,
    WindowOpened,
)
from cri_shim.streaming.spdy.frames import FLAG_FIN, ControlFrame, DataPiece, FrameReader, FrameType, Setting
from cri_shim.streaming.spdy.headers import HeaderReader, HeaderWriter
from cri_shim.streaming.spdy.limits import DEFAULT_WINDOW, LARGEST_WINDOW, Limits
from cri_shim.streaming.spdy.states import TRANSITIONS, State, Step
from cri_shim.streaming.spdy.windows import ReceiveWindow, SendWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cri_shim.streaming.spdy.events import Event

_NO_HEADERS: Mapping[str, str] = {}


class _Stream(Struct):
    id: int
    receive_window: ReceiveWindow
    send_window: SendWindow
    state: State = State.IDLE


class Connection:
    """One end of a connection: the accepting one, unless ``client``."""

    def __init__(self, limits: Limits | None = None, *, client: bool = False) -> None:
        self.limits = limits or Limits()
        self.flow_controlled = False
        """Whether windows are binding, because the peer has shown that it knows them."""
        self.gone_away = False
        """Whether the peer has sent GOAWAY."""
        self._client = client
        self._reader = FrameReader(self.limits.control_frame)
        self._header_reader = HeaderReader(self.limits)
        self._header_writer: HeaderWriter | None = None
        self._streams: dict[int, _Stream] = {}
        self._highest_theirs = 0
        self._next_ours = 1 if client else 2
        self._theirs_open = 0
        self._refusals = 0
        self._initial_send_window = DEFAULT_WINDOW
        self._initial_receive_window = DEFAULT_WINDOW
        self._send_window = SendWindow()
        self._receive_window = ReceiveWindow.of(DEFAULT_WINDOW)
        self._announced = False
        self._out: list[bytes | memoryview] = []
        self._events: list[Event] = []
        self._over = False
        self._handlers: dict[int, Callable[[ControlFrame], None]] = {
            FrameType.SYN_STREAM: self._on_syn_stream,
            FrameType.SYN_REPLY: self._on_syn_reply,
            FrameType.RST_STREAM: self._on_rst_stream,
            FrameType.SETTINGS: self._on_settings,
            FrameType.PING: self._on_ping,
            FrameType.GOAWAY: self._on_goaway,
            FrameType.HEADERS: self._on_headers,
            FrameType.WINDOW_UPDATE: self._on_window_update,
        }

    # Receiving.

    def receive_data(self, data: bytes) -> list[Event]:
        """Return the events that ``data`` completes.

        Raises ``RemoteProtocolError`` when the connection is over; events before the mistake are lost with it.
        """
        if self._over:
            raise RemoteProtocolError("bytes after the end of the connection")
        try:
            for frame in self._reader.feed(data):
                if type(frame) is DataPiece:
                    self._on_data(frame)
                elif isinstance(frame, ControlFrame):
                    handler = self._handlers.get(frame.type)
                    if handler is not None:  # the specification has other types ignored (2.2.1)
                        handler(frame)
        except RemoteProtocolError as error:
            self.go_away(error.code)
            raise
        events, self._events = self._events, []
        return events

    def _on_data(self, piece: DataPiece) -> None:
        size = len(piece.data)
        if not piece.stream_id:
            raise RemoteProtocolError("data on stream 0")
        if not self._receive_window.received(size) and self.flow_controlled:
            raise RemoteProtocolError("more data than the connection's window had room for")
        stream = self._streams.get(piece.stream_id)
        if stream is None:
            self._give_back(size)
            if piece.first and self._state_of(piece.stream_id) is State.IDLE:
                self._out.append(frames.rst_stream(piece.stream_id, ResetCode.INVALID_STREAM))
            return
        if (stream.state, Step.RECEIVE_DATA) not in TRANSITIONS:
            self._give_back(size)
            already_ended = stream.state in (State.OFFERED_ENDED, State.REMOTE_ENDED)
            self._reset(stream, ResetCode.STREAM_ALREADY_CLOSED if already_ended else ResetCode.PROTOCOL_ERROR)
            return
        if not stream.receive_window.received(size) and self.flow_controlled:
            self._give_back(size)
            self._reset(stream, ResetCode.FLOW_CONTROL_ERROR)
            return
        if size:
            self._events.append(DataReceived(piece.stream_id, piece.data))
        if piece.fin:
            self._received_fin(stream)

    def _received_fin(self, stream: _Stream) -> None:
        self._events.append(StreamEnded(stream.id))
        self._step(stream, Step.RECEIVE_FIN)

    def _on_syn_stream(self, frame: ControlFrame) -> None:
        if len(frame.body) < 10:
            raise RemoteProtocolError("SYN_STREAM is cut short")
        stream_id = int.from_bytes(frame.body[:4], "big") & 0x7FFFFFFF
        headers = self._header_reader.read(frame.body[10:])  # first of all, since the next block builds on this one
        if stream_id % 2 != (0 if self._client else 1):
            raise RemoteProtocolError(f"stream {stream_id} has an id that is not the peer's to give")
        if stream_id <= self._highest_theirs:
            raise RemoteProtocolError(f"stream {stream_id} comes after stream {self._highest_theirs}")
        self._highest_theirs = stream_id
        if self._theirs_open >= self.limits.streams:
            self._refusals += 1
            if self._refusals > self.limits.refusals:
                raise RemoteProtocolError(f"still opens streams after {self.limits.refusals} were refused")
            self._out.append(frames.rst_stream(stream_id, ResetCode.REFUSED_STREAM))
            return
        self._refusals = 0
        self._theirs_open += 1
        stream = self._new_stream(stream_id, Step.RECEIVE_SYN)
        self._events.append(StreamOpened(stream_id, headers))
        if frame.flags & FLAG_FIN:
            self._received_fin(stream)

    def _on_syn_reply(self, frame: ControlFrame) -> None:
        self._on_header_frame(frame, Step.RECEIVE_REPLY)

    def _on_headers(self, frame: ControlFrame) -> None:
        self._on_header_frame(frame, Step.RECEIVE_HEADERS)

    def _on_header_frame(self, frame: ControlFrame, step: Step) -> None:
        if len(frame.body) < 4:
            raise RemoteProtocolError("header frame is cut short")
        stream_id = int.from_bytes(frame.body[:4], "big") & 0x7FFFFFFF
        headers = self._header_reader.read(frame.body[4:])
        stream = self._streams.get(stream_id)
        if stream is None:
            if self._state_of(stream_id) is State.IDLE:
                self._out.append(frames.rst_stream(stream_id, ResetCode.INVALID_STREAM))
            return
        if (stream.state, step) not in TRANSITIONS:
            again = step is Step.RECEIVE_REPLY and stream.state in (State.OPEN, State.LOCAL_ENDED, State.REMOTE_ENDED)
            self._reset(stream, ResetCode.STREAM_IN_USE if again else ResetCode.PROTOCOL_ERROR)
            return
        self._step(stream, step)
        kind = StreamAccepted if step is Step.RECEIVE_REPLY else HeadersReceived
        self._events.append(kind(stream_id, headers))
        if frame.flags & FLAG_FIN:
            self._received_fin(stream)

    def _on_rst_stream(self, frame: ControlFrame) -> None:
        stream_id, code = frame.numbers(2)
        stream = self._streams.get(stream_id & 0x7FFFFFFF)
        if stream is not None:
            self._step(stream, Step.RECEIVE_RESET)
            self._events.append(StreamReset(stream.id, code))

    def _on_settings(self, frame: ControlFrame) -> None:
        self._windows_bind()
        count = int.from_bytes(frame.body[:4], "big")
        if count > self.limits.settings or len(frame.body) != 4 + 8 * count:
            raise RemoteProtocolError(f"SETTINGS of {len(frame.body)} bytes with {count} entries")
        for key, value in struct.iter_unpack(">II", frame.body[4:]):
            if key & 0xFFFFFF == Setting.INITIAL_WINDOW_SIZE:
                if value > LARGEST_WINDOW:
                    raise RemoteProtocolError(f"initial window of {value} bytes")
                self._initial_send_window = value
                self._events.append(WindowOpened(0))

    def _on_ping(self, frame: ControlFrame) -> None:
        (ping_id,) = frame.numbers(1)
        if ping_id % 2 == (1 if self._client else 0):
            self._events.append(PingAnswered(ping_id))
        else:
            self._out.append(frames.ping(ping_id))

    def _on_goaway(self, frame: ControlFrame) -> None:
        last, code = frame.numbers(2)
        self.gone_away = True
        self._events.append(GoneAway(last & 0x7FFFFFFF, code))

    def _on_window_update(self, frame: ControlFrame) -> None:
        self._windows_bind()
        stream_id, delta = (number & 0x7FFFFFFF for number in frame.numbers(2))
        if not delta:
            raise RemoteProtocolError("window opened by nothing")
        if not stream_id:
            self._send_window.offset += delta
            if self._send_window.room(DEFAULT_WINDOW) > LARGEST_WINDOW:
                raise RemoteProtocolError(f"the connection's window grows beyond {LARGEST_WINDOW}")
            self._events.append(WindowOpened(0))
            return
        stream = self._streams.get(stream_id)
        if stream is None:
            if self._state_of(stream_id) is State.IDLE:
                self._out.append(frames.rst_stream(stream_id, ResetCode.INVALID_STREAM))
            return
        stream.send_window.offset += delta
        if stream.send_window.room(self._initial_send_window) > LARGEST_WINDOW:
            self._reset(stream, ResetCode.FLOW_CONTROL_ERROR)
            return
        self._events.append(WindowOpened(stream_id))

    def _windows_bind(self) -> None:
        if self.flow_controlled:
            return
        self.flow_controlled = True
        self.announce()

    def announce(self) -> None:
        """Announce our windows; only to a peer that knows windows, but a client may begin."""
        if self._announced:
            return
        self._announced = True
        more = self.limits.window - self._initial_receive_window
        if more > 0:
            self._initial_receive_window += more
            for stream in self._streams.values():
                stream.receive_window.grow(more)
            self._out.append(frames.settings({Setting.INITIAL_WINDOW_SIZE: self._initial_receive_window}))
        more = self.limits.connection_window - DEFAULT_WINDOW
        if more > 0:
            self._receive_window.grow(more)
            self._out.append(frames.window_update(0, more))

    # Sending.

    def open_stream(self, headers: Mapping[str, str], *, fin: bool = False) -> int:
        """Open a stream of ours and return its id."""
        if self._over or self.gone_away:
            raise LocalProtocolError("the connection takes no more streams")
        stream_id, self._next_ours = self._next_ours, self._next_ours + 2
        stream = self._new_stream(stream_id, Step.SEND_SYN)
        self._out.append(frames.syn_stream(stream_id, self._packed(headers), fin=fin))
        if fin:
            self._step(stream, Step.SEND_FIN)
        return stream_id

    def accept(self, stream_id: int, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        """Answer a stream that the peer has opened."""
        stream = self._known(stream_id, Step.SEND_REPLY)
        self._out.append(frames.syn_reply(stream_id, self._packed(headers)))
        self._step(stream, Step.SEND_REPLY)

    def room(self, stream_id: int) -> int:
        """Return how many bytes may be sent on a stream now; at 0 or less, wait for WindowOpened."""
        stream = self._known(stream_id, Step.SEND_DATA)
        return self._room(stream)

    def _room(self, stream: _Stream) -> int:
        if not self.flow_controlled:
            return LARGEST_WINDOW
        return min(stream.send_window.room(self._initial_send_window), self._send_window.room(DEFAULT_WINDOW))

    def send_data(self, stream_id: int, data: bytes | memoryview, *, fin: bool = False) -> None:
        """Send bytes, for which there must be room, and with ``fin`` end our direction of the stream.

        ``data`` must not change until :meth:`data_to_send` was called.
        """
        stream = self._known(stream_id, Step.SEND_DATA)
        size = len(data)
        if size > frames.LARGEST_FRAME:
            raise LocalProtocolError(f"{size} bytes are more than a frame holds")
        if size > max(0, self._room(stream)):
            raise LocalProtocolError(f"{size} bytes are more than the window of stream {stream_id} has room for")
        stream.send_window.offset -= size
        self._send_window.offset -= size
        self._out.append(frames.data_head(stream_id, size, fin=fin))
        if size:
            self._out.append(data)
        if fin:
            self._step(stream, Step.SEND_FIN)

    def take(self, stream_id: int, size: int) -> None:
        """Note that ``size`` received bytes were consumed, so that the peer may send as many more."""
        self._give_back(size)
        stream = self._streams.get(stream_id)
        if stream is None or (stream.state, Step.SEND_WINDOW) not in TRANSITIONS:
            return
        if delta := stream.receive_window.take(size):
            self._out.append(frames.window_update(stream_id, delta))

    def _give_back(self, size: int) -> None:
        if delta := self._receive_window.take(size):
            self._out.append(frames.window_update(0, delta))

    def reset(self, stream_id: int, code: ResetCode = ResetCode.CANCEL) -> None:
        """End a stream in both directions; a stream that is over already is fine."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._out.append(frames.rst_stream(stream_id, code))
            self._step(stream, Step.SEND_RESET)

    def ping(self, ping_id: int) -> None:
        """Ask the peer for a sign of life; ``ping_id`` is odd for a client and even for a server."""
        if ping_id % 2 != (1 if self._client else 0):
            raise LocalProtocolError(f"ping {ping_id} has an id that is the peer's to give")
        self._out.append(frames.ping(ping_id))

    def go_away(self, code: GoAwayCode = GoAwayCode.OK) -> None:
        """End the connection with a GOAWAY; bytes that arrive afterwards are an error."""
        if not self._over:
            self._over = True
            self._out.append(frames.goaway(self._highest_theirs, code))

    def data_to_send(self) -> bytes:
        """Return the bytes to send now; empty if there are none."""
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        return data

    # The streams.

    def state(self, stream_id: int) -> State:
        """Return the state of a stream."""
        stream = self._streams.get(stream_id)
        return stream.state if stream is not None else self._state_of(stream_id)

    def _state_of(self, stream_id: int) -> State:
        """Return the state of a stream that is not in the table: it was never opened, or it is over."""
        ours = stream_id % 2 == (1 if self._client else 0)
        seen = stream_id < self._next_ours if ours else stream_id <= self._highest_theirs
        return State.CLOSED if seen else State.IDLE

    def _new_stream(self, stream_id: int, step: Step) -> _Stream:
        stream = _Stream(stream_id, ReceiveWindow.of(self._initial_receive_window), SendWindow())
        self._streams[stream_id] = stream
        self._step(stream, step)
        return stream

    def _known(self, stream_id: int, step: Step) -> _Stream:
        stream = self._streams.get(stream_id)
        state = stream.state if stream is not None else self._state_of(stream_id)
        if self._over or stream is None or (state, step) not in TRANSITIONS:
            raise LocalProtocolError(f"stream {stream_id} is {state.value}: {step.value} is not possible")
        return stream

    def _reset(self, stream: _Stream, code: ResetCode) -> None:
        """Reset a stream because of what the peer did with it."""
        self.reset(stream.id, code)
        self._events.append(StreamReset(stream.id, code, ours=True))

    def _step(self, stream: _Stream, step: Step) -> None:
        stream.state = TRANSITIONS[stream.state, step]
        if stream.state is State.CLOSED:
            del self._streams[stream.id]
            if stream.id % 2 == (0 if self._client else 1):
                self._theirs_open -= 1

    def _packed(self, headers: Mapping[str, str]) -> bytes:
        if self._header_writer is None:
            self._header_writer = HeaderWriter()
        return self._header_writer.write(headers)
