"""Find the line of each key in a TOML text.

``tomllib`` returns values without positions. This scanner reads only texts that ``tomllib`` has accepted, so it need
not find mistakes; it must skip strings, arrays, inline tables and comments without interpreting their content (TOML
1.0).
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\r\n]+")
_STRINGS = (
    # Up to two quotes of the content may come directly before the closing delimiter of three.
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}(?!")', re.DOTALL),
    re.compile(r"'''.*?'{3,5}(?!')", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
    re.compile(r"'[^'\n]*'"),
)


def lines_of(text: str) -> dict[Path, int]:
    """Return the line (from 1) of every key, table and array element by path; the path of an element has its index."""
    return _Scanner(text).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._line_of: dict[Path, int] = {}
        self._last_element: dict[Path, int] = {}

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        self._take(_BLANK)
        while self._at < len(self._text):
            if self._skip("[["):
                table = self._element(self._header())
                self._skip("]]")
            elif self._skip("["):
                table = self._resolved(self._header())
                self._skip("]")
            else:
                self._pair(table)
            self._take(_BLANK)
        return self._line_of

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _skip(self, literal: str) -> bool:
        if not self._text.startswith(literal, self._at):
            return False
        self._at += len(literal)
        return True

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)

    def _header(self) -> Path:
        """Read the dotted key between brackets, as it is written."""
        path: Path = ()
        for line, part in self._parts():
            path = (*path, part)
            self._line_of.setdefault(self._resolved(path), line)
        return path

    def _key(self, table: Path) -> Path:
        """Read the dotted key before an equals sign, and return its path below ``table``."""
        path = table
        for line, part in self._parts():
            path = (*path, part)
            self._line_of.setdefault(path, line)
        return path

    def _parts(self) -> Iterator[tuple[int, str]]:
        while True:
            self._take(_SPACE)
            line = self._line()
            if self._text[self._at] in "\"'":
                yield line, str(tomllib.loads(f"key = {self._string()}")["key"])
            else:
                yield line, self._take(_BARE_KEY)
            self._take(_SPACE)
            if not self._skip("."):
                return

    def _element(self, path: Path) -> Path:
        """Return the path of the next ``[[table]]``."""
        holder = (*self._resolved(path[:-1]), path[-1])
        self._last_element[holder] = self._last_element.get(holder, -1) + 1
        element = (*holder, self._last_element[holder])
        self._line_of[element] = self._line()
        return element

    def _resolved(self, path: Path) -> Path:
        """Return ``path`` with the index of the latest element after each array of tables in it."""
        out: Path = ()
        for part in path:
            out = (*out, part)
            if out in self._last_element:
                out = (*out, self._last_element[out])
        return out

    def _pair(self, table: Path) -> None:
        path = self._key(table)
        self._skip("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._take(_SPACE)
        self._line_of.setdefault(path, self._line())
        if self._text[self._at] in "\"'":
            self._string()
        elif self._skip("["):
            self._array(path)
        elif self._skip("{"):
            self._inline_table(path)
        else:
            self._take(_SCALAR)

    def _string(self) -> str:
        return next(filter(None, map(self._take, _STRINGS)))

    def _array(self, path: Path) -> None:
        index = 0
        self._take(_BLANK)
        while not self._skip("]"):
            self._value((*path, index))
            index += 1
            self._take(_BLANK)
            self._skip(",")
            self._take(_BLANK)

    def _inline_table(self, path: Path) -> None:
        self._take(_BLANK)
        while not self._skip("}"):
            self._pair(path)
            self._take(_BLANK)
            self._skip(",")
            self._take(_BLANK)
