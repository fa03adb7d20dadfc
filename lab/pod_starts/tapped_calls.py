"""Read the calls in what a tap has noted: gRPC over HTTP/2, and the HTTP/1.1 of Docker's API."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from hpack import Decoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEAD: Final = 9
_DATA, _HEADERS, _RESET, _CONTINUATION = 0, 1, 3, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x4, 0x8, 0x20
_REQUEST: Final = re.compile(rb"(GET|HEAD|POST|PUT|DELETE) (\S+) HTTP/1\.1\r\n")
_API_VERSION: Final = re.compile(r"^/v\d+\.\d+")
_AN_ID: Final = re.compile(r"/[0-9a-f]{64}(?=/|$)")


class Chunk(NamedTuple):
    """Bytes that came on a connection; ``outward`` is from the client to the server."""

    connection: int
    outward: bool
    nanoseconds: int
    data: bytes


class Call(NamedTuple):
    """One call that was answered; times are CLOCK_MONOTONIC in nanoseconds."""

    what: str
    began: int
    ended: int


def calls(chunks: Iterable[Chunk]) -> list[Call]:
    """Return the answered calls of all connections, in order of their beginning."""
    connections: dict[int, list[Chunk]] = {}
    for chunk in chunks:
        connections.setdefault(chunk.connection, []).append(chunk)
    read: list[Call] = []
    for its_chunks in connections.values():
        is_grpc = b"".join(chunk.data for chunk in its_chunks if chunk.outward).startswith(_PREFACE)
        read += _grpc_calls(its_chunks) if is_grpc else _http_calls(its_chunks)
    return sorted(read, key=lambda call: call.began)


@dataclass(slots=True)
class _Frames:
    """One direction of a connection of HTTP/2: frames out of bytes, and its table of header fields."""

    ahead: int = 0
    """Bytes that come before the first frame."""
    rest: bytes = b""
    decoder: Decoder = field(default_factory=Decoder)
    _fragment: bytes = b""

    def read(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """Yield kind, flags, stream and payload of each frame that is complete now."""
        self.rest += data[self.ahead :]
        self.ahead = max(0, self.ahead - len(data))
        while len(self.rest) >= _HEAD:
            size = int.from_bytes(self.rest[:3])
            if len(self.rest) < _HEAD + size:
                return
            kind, flags = self.rest[3], self.rest[4]
            stream = int.from_bytes(self.rest[5:9]) & 0x7FFFFFFF
            payload, self.rest = self.rest[_HEAD : _HEAD + size], self.rest[_HEAD + size :]
            yield kind, flags, stream, payload

    def fields(self, kind: int, flags: int, payload: bytes) -> dict[str, str] | None:
        """Return the header fields that end with this frame, if any do."""
        if kind not in {_HEADERS, _CONTINUATION}:
            return None
        if kind == _HEADERS:
            if flags & _PADDED:
                payload = payload[1 : len(payload) - payload[0]]
            if flags & _PRIORITY:
                payload = payload[5:]
            self._fragment = b""
        self._fragment += payload
        if not flags & _END_HEADERS:
            return None
        return {str(name): str(value) for name, value in self.decoder.decode(self._fragment)}


def _grpc_calls(chunks: list[Chunk]) -> list[Call]:
    out, back = _Frames(len(_PREFACE)), _Frames()
    open_calls: dict[int, tuple[str, int]] = {}
    read = []
    for chunk in chunks:
        if chunk.outward:
            for kind, flags, stream, payload in out.read(chunk.data):
                if (fields := out.fields(kind, flags, payload)) and ":path" in fields:
                    open_calls[stream] = (fields[":path"].lstrip("/"), chunk.nanoseconds)
            continue
        for kind, flags, stream, payload in back.read(chunk.data):
            back.fields(kind, flags, payload)
            ends = flags & _END_STREAM and kind in {_DATA, _HEADERS}
            if (ends or kind == _RESET) and stream in open_calls:
                what, began = open_calls.pop(stream)
                read.append(Call(what, began, chunk.nanoseconds))
    return read


def _http_calls(chunks: list[Chunk]) -> list[Call]:
    """Return the calls of one connection, one after another: an answer is what comes until the next request."""
    read = []
    what, began, ended = "", 0, 0
    for chunk in chunks:
        if chunk.outward and (request := _REQUEST.match(chunk.data)):
            if ended:
                read.append(Call(what, began, ended))
            target = request[2].decode(errors="replace").partition("?")[0]
            what = f"{request[1].decode()} {_AN_ID.sub('/ID', _API_VERSION.sub('', target))}"
            began, ended = chunk.nanoseconds, 0
        elif not chunk.outward:
            ended = chunk.nanoseconds
    return [*read, Call(what, began, ended)] if ended and what else read
