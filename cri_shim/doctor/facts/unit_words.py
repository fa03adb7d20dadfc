r"""Split a command of a systemd unit into words as systemd does, and write words so that it reads them back.

Quotes may begin anywhere and are removed, and escapes of C count in both kinds of them and outside
(systemd.syntax(7)). A semicolon that is a word of its own ends a command, and ``\;`` is such a word
(systemd.service(5)). Unlike in a shell, ``\x20`` is a space, and a backslash in single quotes begins an escape.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ESCAPE: Final = re.compile(
    r"\\(?:(?P<letter>[abfnrtvs\\\"'])|x(?P<x>[0-9a-fA-F]{2})|u(?P<u>[0-9a-fA-F]{4})|U(?P<U>[0-9a-fA-F]{8})"
    r"|(?P<octal>[0-3][0-7]{2}))"
)
_LETTERS: Final = dict(zip("abfnrtvs\\\"'", "\a\b\f\n\r\t\v \\\"'", strict=True))
_BLANK: Final = " \t\n\r"
_LONE_SEMICOLON: Final = re.compile(r"\\?;(?=[ \t\n\r]|$)")
_PLAIN_WORD: Final = re.compile(r"[\w@%+=:,./${}-]+", re.ASCII)


def first_command(text: str) -> list[str]:
    """Return the words of the first command in ``text``; empty if systemd would not accept it either."""
    try:
        return list(_words(text, semicolons=True))
    except ValueError:
        return []


def words_of(text: str) -> list[str]:
    """Return the words of a list, such as that of ``Environment=``; raises ValueError for a quote without an end."""
    return list(_words(text, semicolons=False))


def unit_word(word: str) -> str:
    """Return a word of a command as systemd reads it back. It replaces variables in quotes, too, as before."""
    if _PLAIN_WORD.fullmatch(word):
        return word
    escaped = word.replace("\\", r"\\").replace('"', r"\"")
    return '"' + "".join(each if each.isprintable() else _escaped(each) for each in escaped) + '"'


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))


def _words(text: str, *, semicolons: bool) -> Iterator[str]:
    at, first = _skipped(text, 0), True
    while at < len(text):
        lone = None if first or not semicolons else _LONE_SEMICOLON.match(text, at)
        if lone is not None and lone[0] == ";":
            return
        if lone is not None:
            yield ";"
            at = _skipped(text, lone.end())
            continue
        word, at = _word(text, at)
        yield word
        at, first = _skipped(text, at), False


def _skipped(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _word(text: str, at: int) -> tuple[str, int]:
    """Return the word that begins at ``at``, and where it ends; raises ValueError for a quote without an end."""
    pieces: list[str] = []
    quote = ""
    while at < len(text):
        character = text[at]
        if character == "\\":
            piece, at = _unescaped(text, at)
            pieces.append(piece)
            continue
        at += 1
        if character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        elif not quote and character in _BLANK:
            return "".join(pieces), at
        else:
            pieces.append(character)
    if quote:
        raise ValueError("a quote has no end")
    return "".join(pieces), at


def _unescaped(text: str, at: int) -> tuple[str, int]:
    """Return what the backslash at ``at`` stands for; systemd keeps an escape that it does not know."""
    match = _ESCAPE.match(text, at)
    if match is None:
        return "\\", at + 1
    if match["letter"]:
        return _LETTERS[match["letter"]], match.end()
    if match["u"] or match["U"]:
        number = int(match["u"] or match["U"], 16)
        if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            return "\\", at + 1
        piece = chr(number)
    else:
        piece, end = _bytes(text, match)
        return ("\\", at + 1) if "\0" in piece else (piece, end)
    return ("\\", at + 1) if piece == "\0" else (piece, match.end())


def _bytes(text: str, match: re.Match[str]) -> tuple[str, int]:
    """Return the characters of consecutive escapes of bytes, because one character may be several of them."""
    data, end = bytearray(), match.start()
    following: re.Match[str] | None = match
    while following is not None and (following["x"] or following["octal"]):
        data.append(int(following["x"], 16) if following["x"] else int(following["octal"], 8))
        end = following.end()
        following = _ESCAPE.match(text, end)
    return data.decode(errors="surrogateescape"), end
