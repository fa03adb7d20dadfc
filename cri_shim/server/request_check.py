"""What no request may contain: enum values that this CRI does not define, and NUL characters in strings.

A client that speaks a newer CRI may send an enum value that this .proto has no name for. Read as one of the known
values it would mean something other than the client asked for, so it is refused, and the error names the field. A NUL
ends every string that reaches the kernel or a program, so a path or a name with one would silently be a shorter one.
Values of annotations and registry credentials may contain anything, because neither ends up in a C string.

The fields to check are found once for each kind of message, from its descriptor. Most List requests are empty and cost
one comparison. Strings are checked only when the bytes of the request contain a zero at all.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor

from cri_shim.errors import InvalidArgumentError
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

    _Check = Callable[[Any], tuple[str, str] | None]
    """What is wrong with the value of a field: the path below the field, and the words; None if nothing is."""

_NUL: Final = "contains a NUL character, which ends a string for the kernel; remove it"
_FREE_VALUES: Final = frozenset({"annotations"})
"""Maps whose values may contain a NUL; their keys may not."""
_FREE_MESSAGES: Final = frozenset({"AuthConfig"})
_SHOWN: Final = 8
"""Number of values of an enum that an error text names."""


class RequestCheck:
    """The check of one kind of request, built from its descriptor."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._enums = _shape(descriptor, _enum_check)
        self._strings = _shape(descriptor, _string_check)

    def check(self, message: Message, data: bytes) -> None:
        """Raise InvalidArgumentError that names the field; ``message`` was parsed from ``data``."""
        problem = _first(message, self._enums) if self._enums else None
        if problem is None and self._strings and b"\0" in data:
            problem = _first(message, self._strings)
        if problem is not None:
            path, words = problem
            raise InvalidArgumentError(f"{path} {words}")


@cache
def request_check(descriptor: Descriptor) -> RequestCheck:
    """Return the check of one kind of request, built once: both versions of the API take the same messages."""
    return RequestCheck(descriptor)


def _first(message: Message, shape: dict[int, _Check]) -> tuple[str, str] | None:
    for field, value in message.ListFields():
        check = shape.get(field.number)
        problem = None if check is None else check(value)
        if problem is not None:
            return f"{field.name}{problem[0]}", problem[1]
    return None


def _shape(
    descriptor: Descriptor, leaf: Callable[[FieldDescriptor], _Check | None], above: frozenset[str] = frozenset()
) -> dict[int, _Check]:
    """Return the checks of a message's fields by field number; fields with nothing to check are left out."""
    if descriptor.name in _FREE_MESSAGES or descriptor.full_name in above:
        return {}
    shape: dict[int, _Check] = {}
    for field in descriptor.fields:
        check = _field_check(field, leaf, above | {descriptor.full_name})
        if check is not None:
            shape[field.number] = check
    return shape


def _field_check(
    field: FieldDescriptor, leaf: Callable[[FieldDescriptor], _Check | None], above: frozenset[str]
) -> _Check | None:
    inner = field.message_type
    if inner is None:
        one = leaf(field)
    elif inner.GetOptions().map_entry:
        return _map_check(field, inner, leaf, above)
    else:
        one = _message_check(_shape(inner, leaf, above))
    return _each(one) if one is not None and field.is_repeated else one


def _message_check(shape: dict[int, _Check]) -> _Check | None:
    if not shape:
        return None

    def check(message: Message) -> tuple[str, str] | None:
        problem = _first(message, shape)
        return None if problem is None else (f".{problem[0]}", problem[1])

    return check


def _each(one: _Check) -> _Check:
    def check(values: Any) -> tuple[str, str] | None:
        return _first_of(one, ((f"[{number}]", value) for number, value in enumerate(values)))

    return check


def _map_check(
    field: FieldDescriptor,
    entry: Descriptor,
    leaf: Callable[[FieldDescriptor], _Check | None],
    above: frozenset[str],
) -> _Check | None:
    parts = entry.fields_by_name
    of_keys = leaf(parts["key"])
    of_values = None if field.name in _FREE_VALUES else _field_check(parts["value"], leaf, above)
    if of_keys is None and of_values is None:
        return None

    def check(entries: Any) -> tuple[str, str] | None:
        problem = None if of_keys is None else _first_of(of_keys, ((f" key '{escaped(key)}'", key) for key in entries))
        if problem is None and of_values is not None:
            problem = _first_of(of_values, ((f"['{escaped(str(key))}']", entries[key]) for key in entries))
        return problem

    return check


def _first_of(one: _Check, values: Iterator[tuple[str, Any]]) -> tuple[str, str] | None:
    for where, value in values:
        problem = one(value)
        if problem is not None:
            return f"{where}{problem[0]}", problem[1]
    return None


def _enum_check(field: FieldDescriptor) -> _Check | None:
    enum: EnumDescriptor | None = field.enum_type
    if enum is None:
        return None
    known = frozenset(enum.values_by_number)
    names = ", ".join(f"{value.name} ({value.number})" for value in enum.values[:_SHOWN])
    more = f" and {len(enum.values) - _SHOWN} more" if len(enum.values) > _SHOWN else ""

    def check(value: int) -> tuple[str, str] | None:
        if value in known:
            return None
        return "", f"is {value}, which the CRI of this daemon does not define; {enum.name} is one of {names}{more}"

    return check


def _string_check(field: FieldDescriptor) -> _Check | None:
    if field.type == FieldDescriptor.TYPE_STRING:
        nul: str | bytes = "\0"
    elif field.type == FieldDescriptor.TYPE_BYTES:
        nul = b"\0"
    else:
        return None
    return lambda value: ("", _NUL) if nul in value else None
