"""Make a picture of a page small: at most 256 colours, which a page with flat grounds hardly exceeds."""

from __future__ import annotations

from collections import Counter
from functools import cache

from lab.screenshots import png

MOST_COLOURS = 256


def small(data: bytes) -> bytes:
    """Return a PNG file with the most frequent colours of ``data``; each other colour becomes the nearest of them."""
    pixels = png.read(data)
    colours: Counter[bytes] = Counter()
    for row in pixels.rows:
        colours.update(row[at : at + 3] for at in range(0, len(row), 3))
    palette = [colour for colour, _ in colours.most_common(MOST_COLOURS)]
    places = {colour: place for place, colour in enumerate(palette)}

    @cache
    def place(colour: bytes) -> int:
        if colour in places:
            return places[colour]
        return min(range(len(palette)), key=lambda one: _distance(colour, palette[one]))

    rows = [bytes(place(row[at : at + 3]) for at in range(0, len(row), 3)) for row in pixels.rows]
    return png.write(pixels.width, palette, rows)


def _distance(one: bytes, other: bytes) -> int:
    """Return how far apart two colours are; the eye sees green best, and blue least."""
    red, green, blue = (a - b for a, b in zip(one, other, strict=True))
    return 3 * red * red + 6 * green * green + blue * blue
