"""Break the sentences of a command's output into lines that fit a terminal."""

from __future__ import annotations

import textwrap
from typing import Final

NARROW: Final = 80
"""Columns of a terminal whose width is not known, and of what is no terminal."""


def wrapped(
    text: str, width: int = NARROW, *, first: str = "", further: str = "", cut_words: bool = False
) -> list[str]:
    """Return the lines of ``text``, the first one after ``first`` and the others after ``further``; at least one.

    Lines break between words and never at a hyphen. A word that is longer than a line stays whole, so that a path or a
    flag can be copied; with ``cut_words`` it is cut, for what must fit in any case.
    """
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=cut_words,
        break_on_hyphens=False,
    )
    return lines or [first.rstrip()]
