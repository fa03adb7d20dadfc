"""Read a whole document into dicts and lists, by a table of the types of its fields.

This is for documents that are passed on nearly unchanged (a runtime spec, a seccomp profile): the result has the names
and types of the table, whatever the case of the keys and however many ``null`` the document had.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

from untrusted.document import DocumentError, Object, fold
from untrusted.text import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["text", "texts", "integer", "integers", "unsigned", "boolean", "text_map", "object_map", "time", "any"]
"""The type of a field: ``any`` is kept unchanged, ``time`` is as RFC 3339 has it, an ``object_map`` keeps only keys."""

Unknown = Literal["drop", "keep", "refuse"]
"""What happens to a field that is not in the table."""

_UNSIGNED = (1 << 64) - 1
_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T(?:[01]?[0-9]|2[0-3])(?::[0-5][0-9]){2}(?:[.,][0-9]+)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-4]):(?:[0-5][0-9]|60))"
)
"""What Go reads as a time of RFC 3339, which is a little more than that."""

Shape = dict[str, Any]
"""Field name → Kind, a Shape for an object, or a list of one Shape for a list of objects."""


def read_shape(document: Object, shape: Mapping[str, Any], *, unknown: Unknown = "drop") -> dict[str, Any]:
    """Return the fields that exist and are not ``null``; raises DocumentError for a field of another type."""
    fields: dict[str, Any] = {}
    for name, kind in shape.items():
        if name in document:
            fields[name] = _read(document, name, kind, unknown)
    if unknown == "drop":
        return fields
    known = {fold(name) for name in shape}
    for key in document.keys():  # noqa: SIM118 - an Object is not a mapping
        if fold(key) in known:
            continue
        if unknown == "refuse":
            raise DocumentError(f"{document.where(escaped(key))} is not known")
        fields[key] = document.value(key)
    return fields


def _read(document: Object, name: str, kind: Any, unknown: Unknown) -> Any:
    if isinstance(kind, list):
        return [read_shape(item, kind[0], unknown=unknown) for item in document.objects(name)]
    if isinstance(kind, dict):
        inner = document.object(name)
        return {} if inner is None else read_shape(inner, kind, unknown=unknown)
    match kind:
        case "texts":
            return list(document.texts(name))
        case "integers":
            return list(document.integers(name))
        case "unsigned":
            return document.integer(name, least=0, most=_UNSIGNED)
        case "object_map":
            return dict.fromkeys(document.object_map(name))
        case "time":
            return _time(document, name)
        case "any":
            return document.value(name)
        case _:
            return getattr(document, kind)(name)


def _time(document: Object, name: str) -> str:
    text = document.text(name)
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        year, month, day = map(int, match.groups())
        date(year or 2000, month, day)  # Go has a year 0, a leap year like 2000
    except ValueError:
        raise DocumentError(f"{document.where(name)} '{escaped(text)}' is not a time of RFC 3339") from None
    return text
