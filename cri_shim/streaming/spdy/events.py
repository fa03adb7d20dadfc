"""The events of a connection, which :meth:`~.Connection.receive_data` returns in the order in which they happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.streaming.spdy.errors import GoAwayCode, ResetCode


class StreamOpened(Struct, frozen=True):
    """The peer opened a stream, which waits for :meth:`~.Connection.accept` or :meth:`~.Connection.reset`."""

    stream_id: int
    headers: Mapping[str, str]


class StreamAccepted(Struct, frozen=True):
    """The peer answered a stream of ours."""

    stream_id: int
    headers: Mapping[str, str]


class HeadersReceived(Struct, frozen=True):
    """More headers arrived on an open stream."""

    stream_id: int
    headers: Mapping[str, str]


class DataReceived(Struct, frozen=True):
    """Bytes of a stream, as they arrived: one frame may cause several of these events."""

    stream_id: int
    data: bytes


class StreamEnded(Struct, frozen=True):
    """The peer will send no more on this stream; we still may."""

    stream_id: int


class StreamReset(Struct, frozen=True):
    """The stream is over in both directions; with ``ours`` we have reset it, because of what the peer did."""

    stream_id: int
    code: ResetCode | int
    ours: bool = False


class WindowOpened(Struct, frozen=True):
    """More may be sent, on one stream or (0) on all of them."""

    stream_id: int


class PingAnswered(Struct, frozen=True):
    """The peer answered a ping of ours."""

    ping_id: int


class GoneAway(Struct, frozen=True):
    """The peer opens no more streams, and accepts none after ``last_stream_id``."""

    last_stream_id: int
    code: GoAwayCode | int


Event = (
    StreamOpened
    | StreamAccepted
    | HeadersReceived
    | DataReceived
    | StreamEnded
    | StreamReset
    | WindowOpened
    | PingAnswered
    | GoneAway
)
