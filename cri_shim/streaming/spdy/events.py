"""What happened on a connection, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.streaming.spdy.errors import GoAwayCode, ResetCode


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer opened a stream, which waits for :meth:`~.Connection.accept` or :meth:`~.Connection.reset`."""

    stream_id: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StreamAccepted:
    """The peer answered a stream of ours."""

    stream_id: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HeadersReceived:
    """More headers on an open stream."""

    stream_id: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DataReceived:
    """Bytes of a stream, as they came: a frame may come in several of these."""

    stream_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The peer will send no more on this stream; we may."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The stream is over in both directions; ``ours``: because of what the peer did, we have reset it."""

    stream_id: int
    code: ResetCode | int
    ours: bool = False


@dataclass(frozen=True, slots=True)
class WindowOpened:
    """More may be sent, on one stream or (0) on all of them."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class PingAnswered:
    """A ping of ours came back."""

    ping_id: int


@dataclass(frozen=True, slots=True)
class GoneAway:
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
