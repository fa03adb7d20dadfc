"""Say of one key of containerd's what it is and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Kind = Literal["string", "int", "bool", "strings"]
Own = tuple[str, ...]
"""The path of a key in this daemon's configuration."""

_TYPES: Final = {"string": str, "bool": bool}
WANTED: Final = {"string": "a string", "int": "a whole number", "bool": "true or false", "strings": "a list of strings"}
_LARGEST: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Rule:
    """One key: its type, and either the key that takes its value or the reason why none does.

    ``to`` has ``*`` where the name of a runtime handler goes. ``default`` is containerd's own default, whose loss
    changes nothing; ``harmless`` says that no value changes anything. ``convert`` makes the value that this daemon
    has, in the form of its file.
    """

    kind: Kind
    to: Own = ()
    reason: str = ""
    default: Any = None
    convert: Callable[[Any], Any] | None = None
    harmless: bool = False

    def fits(self, value: Any) -> bool:
        """Return whether a value has the type that containerd wants; it does not start with another."""
        if self.kind == "strings":
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        if self.kind == "int":
            return type(value) is int and -_LARGEST <= value < _LARGEST
        return type(value) is _TYPES[self.kind]

    def loses_nothing(self, value: Any) -> bool:
        """Return whether leaving the value out changes nothing."""
        unset = value == "" or (self.default is None and value in (0, [], False))
        return self.harmless or unset or value == self.default


def taken(kind: Kind, *to: str, convert: Callable[[Any], Any] | None = None) -> Rule:
    """Return the rule of a key whose value is taken over."""
    return Rule(kind, to=to, convert=convert)


def left(kind: Kind, reason: str, default: Any = None) -> Rule:
    """Return the rule of a key that has no counterpart."""
    return Rule(kind, reason=reason, default=default)


def needless(kind: Kind, reason: str) -> Rule:
    """Return the rule of a key without which the same happens, whatever its value is."""
    return Rule(kind, reason=reason, harmless=True)
