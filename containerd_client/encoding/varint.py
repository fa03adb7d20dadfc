"""Encode integers as protobuf does, for the few messages whose bytes are assembled by hand."""

from __future__ import annotations


def varint(number: int) -> bytes:
    """Return the varint of a non-negative integer: seven bits per byte, the lowest first."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
