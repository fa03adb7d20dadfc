"""containerd's filter language: ``labels."a.b"==c,topic~="^/images/"``.

A filter is a list of selectors, separated by commas, that must all match; several filters are alternatives. The
scanner and the parser follow containerd's own, so that a malformed filter gets the same words.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from tests.fakes.containerd.refusals import Refusal, invalid_argument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Field = Callable[[Sequence[str]], tuple[str, bool]]
    """The value at a field path of a thing, and whether it is there."""

T = TypeVar("T")


@dataclass(frozen=True)
class Selector:
    """One comparison. ``operator`` is empty for a test of presence."""

    path: tuple[str, ...]
    operator: str = ""
    value: str = ""

    def matches(self, field: Field) -> bool:
        """Compare the value that a thing has."""
        value, present = field(self.path)
        if self.operator == "==":
            return present and value == self.value
        if self.operator == "!=":
            return value != self.value
        if self.operator == "~=":
            try:
                return re.search(self.value, value) is not None
            except re.error:
                return False
        return present


class Filters:
    """Alternatives; without one, everything matches."""

    def __init__(self, texts: Iterable[str], *, said_twice: bool = False) -> None:
        """Parse; raises an INVALID_ARGUMENT with containerd's words for a malformed text.

        Some stores wrap the parser's error once more, and so name its kind twice.
        """
        try:
            self._alternatives = [_Parser(text).selectors() if text else [] for text in texts]
        except Refusal as refusal:
            raise (invalid_argument(refusal.text) if said_twice else refusal) from None

    def match(self, field: Field) -> bool:
        """Whether any alternative matches in full."""
        if not self._alternatives:
            return True
        return any(all(one.matches(field) for one in alternative) for alternative in self._alternatives)

    def select(self, things: Iterable[T], field: Callable[[T, Sequence[str]], tuple[str, bool]]) -> Sequence[T]:
        """Return the things that match; ``field`` gives the value at a field path of one."""
        return [thing for thing in things if self.match(partial(field, thing))]


def label_field(path: Sequence[str], labels: Mapping[str, str]) -> tuple[str, bool]:
    """Look up what follows ``labels.`` in a filter; dots belong to the key."""
    key = ".".join(path)
    return labels.get(key, ""), key in labels


class _Scanner:
    """Cut a filter into tokens: fields, operators, values, quoted texts and separators."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.wants_value = False
        self.error = ""

    def peek(self) -> str:
        """Return the next character, empty at the end."""
        return self.text[self.position : self.position + 1]

    def scan(self) -> tuple[int, str, str]:
        """Return where the next token begins, its kind and its text."""
        while self.peek().isspace():
            self.position += 1
        start, character = self.position, self.peek()
        if not character:
            return start, "end", ""
        self.position += 1
        if character in '/|"':
            return start, ("quoted" if self._quoted(character) else "illegal"), self.text[start : self.position]
        if character in ",.":
            self.wants_value = False
            return start, "separator", character
        if character in "=!~":
            self._while(lambda one: one in "=!~")
            self.wants_value = True
            return start, "operator", self.text[start : self.position]
        if self.wants_value:
            self._while(_is_value)
            self.wants_value = False
            return start, "value", self.text[start : self.position]
        if _is_field(character):
            self._while(_is_field)
            return start, "field", self.text[start : self.position]
        return start, "other", character

    def _while(self, accept: Callable[[str], bool]) -> None:
        while self.peek() and accept(self.peek()):
            self.position += 1

    def _quoted(self, quote: str) -> bool:
        while True:
            character = self.peek()
            if not character or character == "\n":
                self.error = "quoted literal not terminated"
                return False
            self.position += 1
            if character == quote:
                return True
            if character == "\\":
                self.position += 1


def _is_field(character: str) -> bool:
    return character == "_" or (character.isascii() and character.isalnum())


def _is_value(character: str) -> bool:
    return character != "," and not character.isspace() and unicodedata.category(character)[0] in "LNPSM"


class _Parser:
    """Build the selectors of one filter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._scanner = _Scanner(text)

    def selectors(self) -> list[Selector]:
        parsed = [self._selector()]
        while character := self._scanner.peek():
            if character != ",":
                raise self._failure(self._scanner.position, f"unexpected input: {character}")
            self._scanner.scan()
            parsed.append(self._selector())
        return parsed

    def _selector(self) -> Selector:
        path = [self._field()]
        while self._scanner.peek() == ".":
            self._scanner.scan()
            path.append(self._field())
        if self._scanner.peek() in ("", ","):
            return Selector(tuple(path))
        operator = self._operator()
        return Selector(tuple(path), operator, self._value(other_quotes=operator == "~="))

    def _field(self) -> str:
        position, kind, text = self._scanner.scan()
        if kind == "field":
            return text
        if kind == "quoted":
            return self._unquoted(position, text, other_quotes=False)
        raise self._failure(position, self._scanner.error or "expected field or quoted")

    def _operator(self) -> str:
        position, kind, text = self._scanner.scan()
        if kind == "operator":
            if text in ("==", "!=", "~="):
                return text
            raise self._failure(position, f'unsupported operator "{text}"')
        raise self._failure(position, self._scanner.error or 'expected an operator ("=="|"!="|"~=")')

    def _value(self, *, other_quotes: bool) -> str:
        position, kind, text = self._scanner.scan()
        if kind in ("value", "field"):
            return text
        if kind == "quoted":
            return self._unquoted(position, text, other_quotes=other_quotes)
        raise self._failure(position, self._scanner.error or "expected value or quoted")

    def _unquoted(self, position: int, text: str, *, other_quotes: bool) -> str:
        if text[0] == '"':
            return str(ast.literal_eval(text))
        if not other_quotes:
            raise self._failure(position, "invalid quote encountered")
        return text[1:-1].replace(f"\\{text[0]}", text[0])

    def _failure(self, position: int, message: str) -> Exception:
        text = self._text
        if position < len(text):
            shown = f"[{text[:position]} >|{text[position]}|< {text[position + 1 :]}]"
        else:
            shown = f"[{text}]"
        return invalid_argument(f"filters: parse error: {shown}: {message}")
