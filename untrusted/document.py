"""Read JSON as Go's ``encoding/json`` reads it into a struct, with limits.

The usual reader of many documents (image configurations, manifests, CNI results, registry tokens, seccomp profiles) is
a Go program, so the programs that write them have only been tested against Go's rules:

* A key matches a field in any case; if several keys match, the last one wins, and objects are merged.
* ``null`` leaves a field at its zero value, also as an element of a list or as a value of a map. Behind an earlier
  value of the same field it empties a list or a map, and changes nothing else.
* Bytes that are not UTF-8 become U+FFFD, and so do lone surrogates.
* A number must fit: an integer has no fraction, no exponent and at most 64 bits.
* What follows the document is ignored where the Go program reads it from a stream (``json.Decoder``), and is an error
  where it reads it as a whole (``json.Unmarshal``).

A document that breaks a rule is rejected with a :class:`DocumentError` that names the field. Go accepts ten thousand
levels of nesting; here no document may be deeper than :data:`DEEPEST`, or have more than :data:`MOST_PARTS` parts.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from untrusted.text import decode_utf8, encodable, escaped

DEEPEST: Final = 256
"""Levels of nested objects and lists that are accepted."""
MOST_PARTS: Final = 250_000
"""Objects and lists in one document. More of them fit into a few megabytes, and would stop the event loop for seconds.
The brackets in strings count too."""
LONGEST_NUMBER: Final = 64
"""Longest number in characters; a longer one does not fit into any field."""

_LARGEST: Final = (1 << 63) - 1
_LIKE_ASCII: Final = {0x17F: "s", 0x212A: "k"}
"""The long s and the Kelvin sign, which Go's comparison of keys treats as the letters s and k."""


class DocumentError(ValueError):
    """A document is not JSON, or one of its fields is not what it must be; the text says which."""


class _Pairs(tuple[tuple[str, Any], ...]):
    """The members of one JSON object in their order, duplicates included."""

    __slots__ = ()


class _Number:
    """A number that does not fit into a field of 64 bits."""

    __slots__ = ()


_TOO_LONG: Final = _Number()


class Object:
    """One JSON object; each method takes the field name of the Go struct and raises DocumentError.

    An absent field and ``null`` both yield the zero value of the type.
    """

    __slots__ = ("_by_name", "_pairs", "_path")

    def __init__(self, pairs: tuple[tuple[str, Any], ...] = (), path: str = "") -> None:
        """Wrap the members of an object (for :func:`parse_object`); ``path`` is its place in the document."""
        self._pairs = pairs
        self._path = path
        self._by_name: dict[str, list[Any]] | None = None

    def __contains__(self, name: str) -> bool:
        """Return whether the field exists and is not ``null``."""
        return bool(self._values(name))

    def text(self, name: str) -> str:
        """Return a string."""
        text = ""
        for value in self._values(name):
            text = self._string(name, value)
        return text

    def boolean(self, name: str) -> bool:
        """Return true or false."""
        last = False
        for value in self._values(name):
            if not isinstance(value, bool):
                self._refuse(name, value, "true or false")
            last = value
        return last

    def integer(self, name: str, *, least: int = -_LARGEST - 1, most: int = _LARGEST) -> int:
        """Return an integer between ``least`` and ``most``; an absent one is 0 even if ``least`` is larger."""
        number = 0
        for value in self._values(name):
            if isinstance(value, bool) or not isinstance(value, int | _Number):
                self._refuse(name, value, "a whole number")
            if not isinstance(value, int) or not least <= value <= most:
                raise DocumentError(f"{self.where(name)} is not between {least} and {most}")
            number = value
        return number

    def number(self, name: str) -> float:
        """Return a number that may have a fraction."""
        result = 0.0
        for value in self._values(name):
            if isinstance(value, _Number):
                raise DocumentError(f"{self.where(name)} is a number that is too large")
            if isinstance(value, bool) or not isinstance(value, int | float):
                self._refuse(name, value, "a number")
            result = float(value)
        return result

    def object(self, name: str) -> Object | None:
        """Return an object, or None if it is absent; if it occurs several times, the members are merged."""
        values = self._values(name)
        if not values:
            return None
        members: list[tuple[str, Any]] = []
        for value in values:
            if not isinstance(value, _Pairs):
                self._refuse(name, value, "an object")
            members.extend(value)
        return type(self)(tuple(members), self.where(name))

    def object_map(self, name: str) -> dict[str, Object]:
        """Return an object whose values are objects; its keys are data, and a ``null`` is an object without fields."""
        entries: dict[str, Object] = {}
        for key, value in self._map_members(name):
            if value is not None and not isinstance(value, _Pairs):
                self._refuse(f"{name}.{escaped(key)}", value, "an object")
            entries[key] = type(self)(value or (), self.where(f"{name}.{escaped(key)}"))
        return entries

    def objects(self, name: str) -> tuple[Object, ...]:
        """Return a list of objects; a ``null`` in it is an object without fields."""
        made = []
        for number, item in enumerate(self._list(name)):
            if item is not None and not isinstance(item, _Pairs):
                self._refuse(f"{name}[{number}]", item, "an object")
            made.append(type(self)(item or (), self.where(f"{name}[{number}]")))
        return tuple(made)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings; a ``null`` in it is an empty string."""
        items = enumerate(self._list(name))
        return tuple("" if item is None else self._string(f"{name}[{number}]", item) for number, item in items)

    def integers(self, name: str, *, least: int = -_LARGEST - 1, most: int = _LARGEST) -> tuple[int, ...]:
        """Return a list of whole numbers; a ``null`` in it is 0."""
        numbers = []
        for number, item in enumerate(self._list(name)):
            if isinstance(item, bool) or not (item is None or isinstance(item, int | _Number)):
                self._refuse(f"{name}[{number}]", item, "a whole number")
            if isinstance(item, _Number) or not least <= (item or 0) <= most:
                raise DocumentError(f"{self.where(f'{name}[{number}]')} is not between {least} and {most}")
            numbers.append(item or 0)
        return tuple(numbers)

    def text_map(self, name: str) -> dict[str, str]:
        """Return an object whose values are strings; its keys are data and therefore kept unchanged."""
        return {
            key: "" if value is None else self._string(f"{name}.{escaped(key)}", value)
            for key, value in self._map_members(name)
        }

    def members(self) -> tuple[tuple[str, Any], ...]:
        """Return keys and values as they are in the document, duplicates included."""
        return self._pairs

    def keys(self) -> tuple[str, ...]:
        """Return the keys as they are in the document, each once."""
        return tuple(dict.fromkeys(key for key, _ in self._pairs))

    def plain(self) -> dict[str, Any]:
        """Return the object as dicts and lists, for a reader with its own rules; of duplicates the last one wins."""
        return {key: _plain(value) for key, value in self._pairs}

    def value(self, name: str) -> Any:
        """Return a field of any type in the form of :meth:`plain`; None if it is absent."""
        values = self._values(name)
        return _plain(values[-1]) if values else None

    def _all(self, name: str) -> list[Any]:
        if self._by_name is None:
            self._by_name = {}
            for key, value in self._pairs:
                self._by_name.setdefault(fold(key), []).append(value)
        return self._by_name.get(fold(name), [])

    def _values(self, name: str) -> list[Any]:
        return [value for value in self._all(name) if value is not None]

    def _values_of_nilable(self, name: str) -> list[Any]:
        """Return the values of a list or a map behind the last ``null``, which empties either."""
        values = self._all(name)
        last = next((place for place in range(len(values), 0, -1) if values[place - 1] is None), 0)
        return values[last:]

    def _map_members(self, name: str) -> list[tuple[str, Any]]:
        members: list[tuple[str, Any]] = []
        for value in self._values_of_nilable(name):
            if not isinstance(value, _Pairs):
                self._refuse(name, value, "an object")
            members.extend(value)
        return members

    def _string(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            self._refuse(name, value, "a string")
        return value

    def _list(self, name: str) -> list[Any]:
        items: list[Any] = []
        for value in self._values_of_nilable(name):
            if not isinstance(value, list):
                self._refuse(name, value, "a list")
            items = value
        return items

    def where(self, name: str) -> str:
        """Return the place of a field in the document, for an error text."""
        return f"{self._path}.{name}" if self._path else name

    def _refuse(self, name: str, value: Any, wanted: str) -> NoReturn:
        raise DocumentError(f"{self.where(name)} is {_kind(value)}, not {wanted}")


class YamlObject(Object):
    """An object of a YAML file, where a string may be written like a number or a truth value (``name: 0``)."""

    __slots__ = ()

    def _string(self, name: str, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return f"{value:g}" if float(f"{value:g}") == value else str(value)
        return super()._string(name, value)


def parse_object(data: bytes, *, limit: int | None = None, stream: bool = False) -> Object:
    """Parse a document that must be one object; raises DocumentError, also for more than ``limit`` bytes.

    With ``stream``, anything may follow the document.
    """
    return Object(_pairs(_load(data, limit, stream=stream)))


def parse_yaml_object(data: bytes) -> YamlObject:
    """Parse a document that was YAML before it was converted to JSON; raises DocumentError."""
    return YamlObject(_pairs(_load(data, None, stream=False)))


def parse_objects(data: bytes, *, limit: int | None = None, stream: bool = False) -> tuple[Object, ...]:
    """Parse a document that must be a list of objects, as :func:`parse_object` parses one."""
    document = _load(data, limit, stream=stream)
    if document is not None and not isinstance(document, list):
        raise DocumentError(f"the document is {_kind(document)}, not a list")
    return Object((("", document),)).objects("")


def _pairs(document: Any) -> _Pairs:
    if document is not None and not isinstance(document, _Pairs):
        raise DocumentError(f"the document is {_kind(document)}, not an object")
    return document or _Pairs()


def _load(data: bytes, limit: int | None, *, stream: bool) -> Any:
    if limit is not None and len(data) > limit:
        raise DocumentError(f"{len(data)} bytes are more than the {limit} that are allowed")
    if data.count(b"{") + data.count(b"[") > MOST_PARTS:
        raise DocumentError(f"it has more than the {MOST_PARTS} objects and lists that are allowed")
    text = decode_utf8(data)
    try:
        document = _DECODER.raw_decode(text.lstrip(_SPACE))[0] if stream else _DECODER.decode(text)
    except RecursionError:
        raise DocumentError(f"not JSON that can be read: nested more than {DEEPEST} levels deep") from None
    except DocumentError:
        raise
    except ValueError as error:
        raise DocumentError(f"not JSON: {error}") from None
    _require_shallow(document)
    return _clean(document) if _may_hold_surrogates(data) else document


def _integer(digits: str) -> Any:
    return int(digits) if len(digits) <= LONGEST_NUMBER else _TOO_LONG


def _float(digits: str) -> Any:
    value = float(digits)
    return _TOO_LONG if value in (float("inf"), float("-inf")) else value


def _refuse_constant(word: str) -> NoReturn:
    raise DocumentError(f"not JSON: {word} is not a number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant
)
_SPACE: Final = " \t\r\n"


def _require_shallow(document: Any) -> None:
    level = [document]
    for _ in range(DEEPEST):
        level = [child for value in level for child in _children(value) if isinstance(child, list | _Pairs)]
        if not level:
            return
    raise DocumentError(f"not JSON that can be read: nested more than {DEEPEST} levels deep")


def _children(value: Any) -> list[Any]:
    if isinstance(value, _Pairs):
        return [child for _, child in value]
    return value if isinstance(value, list) else []


def _may_hold_surrogates(data: bytes) -> bool:
    return b"\\ud" in data or b"\\uD" in data


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, _Pairs):
        return _Pairs((encodable(key), _clean(item)) for key, item in value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return {key: _plain(item) for key, item in value}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, _Number):
        raise DocumentError(f"a number has more than {LONGEST_NUMBER} digits")
    return value


def fold(key: str) -> str:
    """Return a form of a key that is equal for all keys that Go treats as equal."""
    return key.translate(_LIKE_ASCII).lower()


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, _Pairs):
        return "an object"
    return "a number"
