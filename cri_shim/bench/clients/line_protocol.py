"""Encode and parse the lines between a comparison and a client in another language, without any I/O.

docs/client-protocol.md describes the protocol. A line has fields separated by single blanks. A field that may hold
anything, or nothing, travels in base64, and ``-`` stands for nothing. Both ends are here: what the comparison writes
and reads, and what the Python client does.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass

from untrusted.text import decode_utf8, escaped

VERSION = 1
NOTHING = "-"

_LONGEST_NAME = 100
_MOST_NANOSECONDS = 1 << 62
_SHOWN = 120


class ProtocolError(ValueError):
    """A line that does not follow the protocol; the text shows its beginning and says what is wrong."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The client's first line: its name and version."""

    name: str
    version: str

    def line(self) -> str:
        """Return the line as it is written."""
        return f"hello {VERSION} {self.name} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make."""

    id: int
    path: str
    milliseconds: int
    """The call's time limit."""
    metadata: tuple[tuple[str, str], ...]
    request: bytes

    def line(self) -> str:
        """Return the line as it is written."""
        pairs = _pairs(self.metadata)
        return f"call {self.id} {self.path} {self.milliseconds} {pairs} {_encode(self.request)}"


@dataclass(frozen=True, slots=True)
class Answered:
    """The outcome of a call: an answer, or a gRPC status."""

    id: int
    nanoseconds: int
    """From just before the request was sent until the answer was complete, on the client's own clock."""
    status: int
    message: str
    metadata: tuple[tuple[str, str], ...]
    """The trailing metadata that the comparison reads."""
    content: bytes

    def line(self) -> str:
        """Return the line as it is written."""
        ended = f"{self.nanoseconds} {self.status} {_encode(self.message.encode())}"
        return f"answer {self.id} {ended} {_pairs(self.metadata)} {_encode(self.content)}"


@dataclass(frozen=True, slots=True)
class Failed:
    """A call that the client could not make for its own reasons; without an id, the client cannot continue."""

    id: int | None
    message: str

    def line(self) -> str:
        """Return the line as it is written."""
        return f"error {NOTHING if self.id is None else self.id} {_encode(self.message.encode())}"


def parse_hello(line: str) -> Hello:
    """Read a client's first line; raises :class:`ProtocolError`."""
    word, version, name, *rest = [*line.split(" "), "", ""]
    if word != "hello" or not name:
        raise _wrong(line, "the first line of a client is `hello 1 NAME VERSION`")
    if version != str(VERSION):
        raise _wrong(line, f"the client speaks version {escaped(version)} of the protocol, this is version {VERSION}")
    return Hello(escaped(name, _LONGEST_NAME), escaped(" ".join(rest).strip(), _LONGEST_NAME))


def parse_call(line: str) -> Call:
    """Read a line that a comparison wrote; raises :class:`ProtocolError`."""
    fields = line.split(" ")
    if fields[0] != "call" or len(fields) != 6:
        raise _wrong(line, "a call is `call ID METHOD MILLISECONDS METADATA REQUEST`")
    _, id_, path, milliseconds, metadata, request = fields
    return Call(_whole(line, id_), path, _whole(line, milliseconds), _unpaired(line, metadata), _decode(line, request))


def parse_answer(line: str) -> Answered | Failed:
    """Read a line that a client wrote after its first one; raises :class:`ProtocolError`."""
    fields = line.split(" ")
    if fields[0] == "answer" and len(fields) == 7:
        _, id_, nanoseconds, status, message, metadata, content = fields
        return Answered(
            _whole(line, id_),
            _whole(line, nanoseconds),
            _whole(line, status),
            decode_utf8(_decode(line, message)),
            _unpaired(line, metadata),
            _decode(line, content),
        )
    if fields[0] == "error" and len(fields) == 3:
        _, id_, message = fields
        return Failed(None if id_ == NOTHING else _whole(line, id_), decode_utf8(_decode(line, message)))
    raise _wrong(line, "an answer is `answer ID NANOSECONDS STATUS MESSAGE METADATA ANSWER`, or `error ID MESSAGE`")


def _encode(content: bytes) -> str:
    return b64encode(content).decode() if content else NOTHING


def _decode(line: str, field: str) -> bytes:
    if field == NOTHING:
        return b""
    try:
        return b64decode(field, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong(line, f"a field is not base64: {error}") from error


def _pairs(metadata: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f"{key}={_encode(value.encode())}" for key, value in metadata) or NOTHING


def _unpaired(line: str, field: str) -> tuple[tuple[str, str], ...]:
    if field == NOTHING:
        return ()
    unpaired = []
    for pair in field.split(","):
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise _wrong(line, "metadata is KEY=BASE64, pairs of it between commas")
        unpaired.append((key, decode_utf8(_decode(line, value))))
    return tuple(unpaired)


def _whole(line: str, field: str) -> int:
    if not (field.isascii() and field.isdigit()) or len(field) > 19 or int(field) > _MOST_NANOSECONDS:
        raise _wrong(line, f"{escaped(field)!r} is not a whole number from 0 on")
    return int(field)


def _wrong(line: str, reason: str) -> ProtocolError:
    return ProtocolError(f"the line {escaped(line, _SHOWN)!r} cannot be understood: {reason}")
