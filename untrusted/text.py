"""Clean strings from outside, so that they can be encoded, shown and sent.

Python and JSON both allow strings that have no UTF-8 form: a lone surrogate survives ``json.loads`` and fails much
later, when a message is serialised. Go replaces whatever is not UTF-8 with U+FFFD when it parses, and so do these
functions.
"""

from __future__ import annotations

import codecs
from typing import Final

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
LONGEST_NAME: Final = 256
"""Characters of a name from outside that an error text shows."""

_HANDLER: Final = "untrusted.replace"


def _replace_each_byte(error: UnicodeError) -> tuple[str, int]:
    """Replace every invalid byte with one U+FFFD, as Go does; Python's own handler uses one for several bytes."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return REPLACEMENT * (error.end - error.start), error.end


codecs.register_error(_HANDLER, _replace_each_byte)


def decode_utf8(data: bytes) -> str:
    """Return ``data`` as text; each byte that is not UTF-8 becomes U+FFFD, as in Go's ``encoding/json``."""
    return data.decode("utf-8", _HANDLER)


def encodable(text: str) -> str:
    """Return ``text`` in a form that UTF-8 can encode: surrogate pairs become one character, lone ones U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def shorten(text: str, limit: int) -> str:
    """Return ``text`` if it has at most ``limit`` characters, else its beginning and how much was left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... ({len(text) - limit} more characters)"


def without_middle(text: str, limit: int) -> str:
    """Return ``text`` if it has at most ``limit`` characters, else its beginning, how much was left out, and its end.

    The end of an error text usually says why.
    """
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} ... ({len(text) - 2 * half} characters left out) ... {text[-half:]}"


def escaped(text: str, limit: int = LONGEST_NAME) -> str:
    """Return a name from outside in a form for error texts: at most ``limit`` characters, all of them printable.

    Control characters, line ends and surrogates appear as escapes, so that a name cannot forge a line of the log.
    """
    if len(text) <= limit and text.isprintable():
        return text
    shown = "".join(char if char.isprintable() else _escape(char) for char in text[:limit])
    return shown if len(text) <= limit else f"{shown}... ({len(text) - limit} more characters)"


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")
