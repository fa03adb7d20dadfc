"""List entries in the form they have on the wire, made once for each value.

Lists are what a quiet node asks for all day, and between two of them hardly any entry changes. The response of a list
is nothing but its entries one after the other, each behind its field number and its length (protobuf encoding,
"length-delimited records"), so finished entries only need to be joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.message import Message

_LENGTH_DELIMITED = 2


def entry(field: int, message: Message) -> bytes:
    """One entry of a repeated message field with the number ``field``, ready to be joined with others."""
    body = message.SerializeToString()
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(len(body)) + body


def varint(value: int) -> bytes:
    """Protobuf's form of a number that is not negative: seven bits a byte, the lowest first."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
