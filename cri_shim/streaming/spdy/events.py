"""What happened on a connection, in the order in which it happened."""

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
    """More headers on an open stream."""

    stream_id: int
    headers: Mapping[str, str]


class DataReceived(Struct, frozen=True):
    """Bytes of a stream, as they came: a frame may come in several of these."""

    stream_id: int
    data: bytes


class StreamEnded(Struct, frozen=True):
    """The peer will send no more on this stream; we may."""

    stream_id: int


class StreamReset(Struct, frozen=True):
    """The stream is over in both directions; ``ours``: because of what the peer did, we have reset it."""

    stream_id: int
    code: ResetCode | int
    ours: bool = False


class WindowOpened(Struct, frozen=True):
    """More may be sent, on one stream or (0) on all of them."""

    stream_id: int


class PingAnswered(Struct, frozen=True):
    """A ping of ours came back."""

    ping_id: int


class GoneAway(Struct, frozen=True):
    """The peer opens no more streams, and takes none after ``last_stream_id``."""

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
