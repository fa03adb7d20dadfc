"""The pictures of the page in docs are those that the command takes, and their files are small."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

from lab.screenshots import png
from lab.screenshots.palette import MOST_COLOURS, small
from lab.screenshots.pictures import PICTURES

DOCS = Path(__file__).parents[4] / "docs"
LARGEST = 220_000


def test_each_picture_of_the_page_is_taken_by_the_command_and_shown_in_docs():
    """No picture is made by hand, none is left over, and none is missing."""
    names = {picture.name for picture in PICTURES}
    files = {path.stem for path in (DOCS / "images").glob("explorer-*.png")}
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    shown = set(re.findall(r"images/(explorer-[a-z-]+)\.png", text))
    assert names == files == shown


def test_pictures_are_small():
    """A checkout carries them for ever."""
    sizes = {path.name: path.stat().st_size for path in (DOCS / "images").glob("*.png")}
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def test_a_picture_of_few_colours_keeps_them_all():
    """The pixels that are read of Chromium's file are those that the small one places in its palette."""
    rows = [b"\x01\x02\x03" * 2, b"\xff\xff\xff\x01\x02\x03"]
    assert png.read(_true_colour(2, rows)) == png.Pixels(2, 2, rows)
    written = small(_true_colour(2, rows))
    assert written == png.write(2, [b"\x01\x02\x03", b"\xff\xff\xff"], [b"\0\0", b"\1\0"])


def test_a_colour_without_a_place_becomes_the_nearest():
    """More colours than a palette has: the rarest one, nearly white, becomes white."""
    greys = b"".join(bytes((number, number, number)) * 2 for number in range(MOST_COLOURS))
    rows = [greys + b"\xfe\xff\xff"]
    written = small(_true_colour(len(rows[0]) // 3, rows))
    places = zlib.decompress(written[written.index(b"IDAT") + 4 :])
    assert places[-1] == places[-2], "white, the last of the greys"


def _true_colour(width: int, rows: list[bytes]) -> bytes:
    """Return a PNG file as Chromium writes it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, len(rows), 8, 2, 0, 0, 0)
    lines = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", lines), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
