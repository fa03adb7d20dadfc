"""The frames of SPDY/3.1 (2.2), eight bytes of head and then the body, and the reader that cuts bytes into frames.

The reader collects control frames until they are whole, which is why their size has a limit. It hands on data frames,
which may have 16 MiB, in the pieces in which they arrive.
"""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.streaming.spdy.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION: Final = 3
HEAD_SIZE: Final = 8
LARGEST_FRAME: Final = 2**24 - 1
FLAG_FIN: Final = 1
FLAG_UNIDIRECTIONAL: Final = 2

_HEAD: Final = struct.Struct(">II")
_CONTROL_BIT: Final = 0x80000000
_ID_MASK: Final = 0x7FFFFFFF
_LENGTH_MASK: Final = 0xFFFFFF


class FrameType(enum.IntEnum):
    """Control frames."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class Setting(enum.IntEnum):
    """The settings that have a meaning here."""

    MAX_CONCURRENT_STREAMS = 4
    INITIAL_WINDOW_SIZE = 7


class ControlFrame(Struct, frozen=True):
    """A whole control frame; ``type`` may be undefined in the specification."""

    type: int
    flags: int
    body: bytes

    def numbers(self, count: int) -> tuple[int, ...]:
        """Return the body as exactly ``count`` 32-bit numbers.

        Raises ``RemoteProtocolError`` if the body has another size.
        """
        if len(self.body) != 4 * count:
            raise RemoteProtocolError(f"control frame {self.type} has {len(self.body)} bytes, not {4 * count}")
        return struct.unpack(f">{count}I", self.body)


class DataPiece(Struct, frozen=True):
    """Some bytes of a data frame, none for an empty frame.

    ``fin`` is set only on the last piece of a frame with FIN.
    """

    stream_id: int
    data: bytes
    fin: bool
    first: bool


class FrameReader:
    """Cuts arriving bytes into frames, wherever they were split on their way."""

    def __init__(self, control_limit: int) -> None:
        self._control_limit = control_limit
        self._buffer = bytearray()
        self._data_left = 0
        self._data_stream = 0
        self._data_fin = False
        self._data_first = False

    def feed(self, data: bytes) -> Iterator[ControlFrame | DataPiece]:
        """Yield the frames and pieces that ``data`` completes; use up the iterator before the next call.

        Raises ``RemoteProtocolError`` for another version of SPDY and for a control frame that is too large.
        """
        at = 0
        size = len(data)
        while at < size:
            if self._data_left:
                end = min(size, at + self._data_left)
                self._data_left -= end - at
                piece = data if end - at == size else data[at:end]
                at = end
                first, self._data_first = self._data_first, False
                yield DataPiece(self._data_stream, piece, self._data_fin and not self._data_left, first)
                continue
            # Heads and control frames are small, so collecting them in a buffer costs nothing compared to the data.
            wanted = HEAD_SIZE if len(self._buffer) < HEAD_SIZE else HEAD_SIZE + self._control_length()
            end = min(size, at + wanted - len(self._buffer))
            self._buffer += data[at:end]
            at = end
            frame = self._complete()
            if frame is not None:
                yield frame

    def _control_length(self) -> int:
        return int.from_bytes(self._buffer[5:HEAD_SIZE], "big")

    def _complete(self) -> ControlFrame | DataPiece | None:
        """Return the frame in the buffer if it is whole, or the (empty) beginning of a data frame."""
        if len(self._buffer) < HEAD_SIZE:
            return None
        first, second = _HEAD.unpack_from(self._buffer)
        flags, length = second >> 24, second & _LENGTH_MASK
        if not first & _CONTROL_BIT:
            self._buffer.clear()
            self._data_left = length
            self._data_stream = first & _ID_MASK
            self._data_fin = bool(flags & FLAG_FIN)
            self._data_first = True
            return None if length else DataPiece(self._data_stream, b"", self._data_fin, first=True)
        version = (first >> 16) & 0x7FFF
        if version != VERSION:
            raise RemoteProtocolError(f"frame of SPDY version {version}, only version {VERSION} is supported")
        if length > self._control_limit:
            raise RemoteProtocolError(f"control frame of {length} bytes, at most {self._control_limit} are allowed")
        if len(self._buffer) < HEAD_SIZE + length:
            return None
        frame = ControlFrame(first & 0xFFFF, flags, bytes(self._buffer[HEAD_SIZE:]))
        self._buffer.clear()
        return frame


def data_head(stream_id: int, length: int, *, fin: bool) -> bytes:
    """Return the head of a data frame with ``length`` bytes."""
    return _HEAD.pack(stream_id, (FLAG_FIN << 24 if fin else 0) | length)


def control(type_: FrameType, body: bytes, flags: int = 0) -> bytes:
    """Return a control frame."""
    return _HEAD.pack(_CONTROL_BIT | VERSION << 16 | type_, flags << 24 | len(body)) + body


def syn_stream(stream_id: int, block: bytes, *, fin: bool = False) -> bytes:
    """Return SYN_STREAM with its compressed headers, with the lowest priority number and no associated stream."""
    return control(FrameType.SYN_STREAM, struct.pack(">IIH", stream_id, 0, 0) + block, FLAG_FIN if fin else 0)


def syn_reply(stream_id: int, block: bytes, *, fin: bool = False) -> bytes:
    """Return SYN_REPLY with its compressed headers."""
    return control(FrameType.SYN_REPLY, struct.pack(">I", stream_id) + block, FLAG_FIN if fin else 0)


def headers(stream_id: int, block: bytes, *, fin: bool = False) -> bytes:
    """Return HEADERS with its compressed headers."""
    return control(FrameType.HEADERS, struct.pack(">I", stream_id) + block, FLAG_FIN if fin else 0)


def rst_stream(stream_id: int, code: int) -> bytes:
    """Return RST_STREAM."""
    return control(FrameType.RST_STREAM, struct.pack(">II", stream_id, code))


def settings(values: Mapping[int, int]) -> bytes:
    """Return SETTINGS; the flags of every entry are 0."""
    entries = b"".join(struct.pack(">II", setting, value) for setting, value in values.items())
    return control(FrameType.SETTINGS, struct.pack(">I", len(values)) + entries)


def ping(ping_id: int) -> bytes:
    """Return PING."""
    return control(FrameType.PING, struct.pack(">I", ping_id))


def goaway(last_stream_id: int, code: int) -> bytes:
    """Return GOAWAY."""
    return control(FrameType.GOAWAY, struct.pack(">II", last_stream_id, code))


def window_update(stream_id: int, delta: int) -> bytes:
    """Return WINDOW_UPDATE; stream 0 is the connection."""
    return control(FrameType.WINDOW_UPDATE, struct.pack(">II", stream_id, delta))
