"""Fit text into the width of a terminal: sentences are folded, tables are split into blocks of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.wrapped_text import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = "  "


def folded(text: str, width: int, indent: str = "  ") -> str:
    """Fold the lines that are longer than ``width`` between words; what goes on is indented."""
    return "\n".join(piece for line in text.split("\n") for piece in _pieces(line, width, indent))


def _pieces(line: str, width: int, indent: str) -> list[str]:
    if len(line) <= width:
        return [line]
    text = line.lstrip()
    own = line[: len(line) - len(text)]
    return wrapped(text, width, first=own, further=own + indent, cut_words=True)


def cut(text: str, width: int) -> str:
    """Return ``text``, without its end if it is longer than ``width``."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int = 0) -> str:
    """Lay out a table: the first column to the left, all others, which are numbers, to the right.

    If the table is wider than ``width`` (0: no limit), it becomes several tables below each other, each with the first
    column.
    """
    widths = [max(len(row[place]) for row in (headings, *rows)) for place in range(len(headings))]
    return "\n\n".join(_table((headings, *rows), widths, places) for places in _blocks(widths, width))


def _blocks(widths: Sequence[int], limit: int) -> list[list[int]]:
    """Return which columns stand beside each other."""
    blocks = [[0]]
    used = widths[0]
    for place in range(1, len(widths)):
        wanted = len(_GAP) + widths[place]
        if limit and used + wanted > limit and len(blocks[-1]) > 1:
            blocks.append([0])
            used = widths[0]
        blocks[-1].append(place)
        used += wanted
    return blocks


def _table(lines: Sequence[Sequence[str]], widths: Sequence[int], places: Sequence[int]) -> str:
    return "\n".join(
        _GAP.join(
            line[place].rjust(widths[place]) if place else line[place].ljust(widths[place]) for place in places
        ).rstrip()
        for line in lines
    )
