"""Make the message of a gRPC status one that always reaches the client.

A status message travels as an HTTP/2 header, percent-encoded: each byte outside printable ASCII, and each ``%``, takes
three bytes. Two things go wrong without care. Text that has no UTF-8 form makes gRPC fail after it has marked the
status as sent, so the client waits until its deadline. Headers of more than 8 KiB are refused by clients at random.
Hence a message is made encodable and is cut by its encoded size. Its beginning says what failed and its end usually
says why, so the middle is left out.
"""

from __future__ import annotations

import re
from typing import Final

from untrusted import encodable, shorten

LONGEST: Final = 4096
"""Bytes of a status message in its encoded form."""
LONGEST_WORD: Final = 512
"""Characters without a blank between them; of a longer word only the first :data:`SHOWN_OF_WORD` are shown."""
SHOWN_OF_WORD: Final = 256

_HEAD: Final = 2560
_TAIL: Final = 1400
_LONG_WORD: Final = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")
_AS_IT_IS: Final = frozenset("\n\t")
"""Control characters that gRPC carries and every client displays."""


def status_text(text: str) -> str:
    """Return ``text`` as a status message: encodable, without control characters, at most 4 KiB on the wire."""
    if len(text) <= LONGEST_WORD and text.isascii() and text.isprintable():
        return text
    text = _LONG_WORD.sub(lambda word: shorten(word[0], SHOWN_OF_WORD), encodable(text))
    # Each character takes at least one byte, so text with more characters than the limit need not be measured.
    if len(text) <= LONGEST and sum(map(_cost, text)) <= LONGEST:
        return "".join(map(_shown, text))
    head = _beginning(text, _HEAD)
    tail = _beginning(text[::-1], _TAIL)[::-1]
    left_out = len(text) - len(head) - len(tail)
    return f"{_all_shown(head)} ... ({left_out} characters left out) ... {_all_shown(tail)}"


def _beginning(text: str, limit: int) -> str:
    """Return the beginning of ``text`` that takes at most ``limit`` bytes."""
    taken = size = 0
    for char in text[:limit]:
        size += _cost(char)
        if size > limit:
            break
        taken += 1
    return text[:taken]


def _cost(char: str) -> int:
    """Return the bytes that a character takes once it is shown and percent-encoded."""
    if " " <= char <= "~":
        return 3 if char == "%" else 1
    return 3 * len(char.encode()) if char in _AS_IT_IS or char.isprintable() else len(_shown(char))


def _shown(char: str) -> str:
    if char.isprintable() or char in _AS_IT_IS:
        return char
    return char.encode("unicode_escape").decode("ascii")


def _all_shown(text: str) -> str:
    return "".join(map(_shown, text))
