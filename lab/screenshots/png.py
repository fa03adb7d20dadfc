"""Read and write PNG files (PNG specification, third edition), as far as pictures of a page need it."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_CHANNELS: Final = {2: 3, 6: 4}  # by the colour type: true colour, and true colour with transparency


@dataclass(frozen=True, slots=True)
class Pixels:
    """Rows from top to bottom; each row has the red, green and blue of its pixels one after another."""

    width: int
    height: int
    rows: list[bytes]


def read(data: bytes) -> Pixels:
    """Return the pixels of a file of the kind that Chromium writes: 8 bits a channel, not interlaced, opaque."""
    if not data.startswith(_SIGNATURE):
        raise ValueError("this is no PNG file")
    at, packed = len(_SIGNATURE), bytearray()
    width = height = channels = 0
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            if (depth, interlaced) != (8, 0) or colour not in _CHANNELS:
                raise ValueError(
                    f"PNG of {depth} bits, colour type {colour}, interlacing {interlaced} is not supported"
                )
            channels = _CHANNELS[colour]
        elif kind == b"IDAT":
            packed += body
        at += length + 12
    raw = zlib.decompress(packed)
    stride = width * channels
    above = bytearray(stride)
    rows = []
    for start in range(0, height * (stride + 1), stride + 1):
        above = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above, channels)
        rows.append(bytes(above) if channels == 3 else _opaque(above))
    return Pixels(width, height, rows)


def write(width: int, palette: list[bytes], rows: list[bytes]) -> bytes:
    """Return a file whose pixels are places in a palette of at most 256 colours."""
    header = struct.pack(">IIBBBBB", width, len(rows), 8, 3, 0, 0, 0)
    lines = b"".join(b"\0" + row for row in rows)
    chunks = [(b"IHDR", header), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _opaque(row: bytearray) -> bytes:
    opaque = bytearray(len(row) // 4 * 3)
    for channel in range(3):
        opaque[channel::3] = row[channel::4]
    return bytes(opaque)


def _unfiltered(kind: int, row: bytearray, above: bytearray, step: int) -> bytearray:
    """Undo the filter of one row (section 9 of the specification)."""
    if kind == 2:
        return bytearray((one + up) & 255 for one, up in zip(row, above, strict=True))
    if kind:
        for at in range(len(row)):
            left, corner = (row[at - step], above[at - step]) if at >= step else (0, 0)
            guess = (0, left, 0, (left + above[at]) // 2, _paeth(left, above[at], corner))[kind]
            row[at] = (row[at] + guess) & 255
    return row


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda one: abs(guess - one))
