"""Parse a message whose strings are not all UTF-8.

containerd up to 1.6 stores and sends whatever bytes its clients gave it as labels, names and paths, and a protobuf
parser refuses a whole list for one of them. Such a message is read once more, field by field, and each byte of a string
that is not UTF-8 becomes U+FFFD, as in every other text from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from containerd_client.encoding.varint import varint
from untrusted import decode_utf8

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor

M = TypeVar("M", bound=Message)

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_DEEPEST: Final = 100
"""Messages within messages, as in protobuf's own parsers."""
_LONGEST_VARINT: Final = 10


def parse_message(parse: Callable[[bytes], M], data: bytes) -> M:
    """Return ``parse(data)``, with its strings made valid if they are not; raises DecodeError for any other fault."""
    try:
        return parse(data)
    except DecodeError:
        descriptor: Any = parse(b"").DESCRIPTOR  # its stubs have two types, of which one has no fields
        cleaned = _cleaned(data, descriptor, _DEEPEST)
        if cleaned == data:
            raise
    return parse(cleaned)


def _cleaned(data: bytes, descriptor: Descriptor, depth: int) -> bytes:
    if not depth:
        raise DecodeError("messages are nested too deeply")
    written = bytearray()
    at = 0
    while at < len(data):
        start = at
        key, at = _read_varint(data, at)
        wire_type = key & 7
        if wire_type == _LENGTH:
            length, at = _read_varint(data, at)
            content, at = data[at : at + length], at + length
            if at <= len(data):
                content = _content(content, descriptor.fields_by_number.get(key >> 3), depth)
                written += varint(key) + varint(len(content)) + content
        else:
            at = _end_of_number(data, at, wire_type)
            written += data[start:at]
        if at > len(data):
            raise DecodeError("the message is cut off")
    return bytes(written)


def _content(content: bytes, field: FieldDescriptor | None, depth: int) -> bytes:
    if field is None:
        return content
    if field.message_type is not None:
        return _cleaned(content, field.message_type, depth - 1)
    return decode_utf8(content).encode() if field.type == FieldDescriptor.TYPE_STRING else content


def _end_of_number(data: bytes, at: int, wire_type: int) -> int:
    if wire_type == _VARINT:
        return _read_varint(data, at)[1]
    if wire_type == _FIXED64:
        return at + 8
    if wire_type == _FIXED32:
        return at + 4
    raise DecodeError(f"wire type {wire_type} is not known")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the varint at this place, and the place after it."""
    number = 0
    for shift, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return number, at + shift + 1
    raise DecodeError("the message is cut off")
