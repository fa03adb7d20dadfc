"""Protobuf's form of a whole number, for the few messages whose bytes are put together by hand."""

from __future__ import annotations


def varint(number: int) -> bytes:
    """Write a number that is not negative: seven bits a byte, the lowest first."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
