"""Read a whole document into dicts and lists, by a table of the types of its fields.

This is for documents that are passed on nearly unchanged (a runtime spec, a seccomp profile): the result has the names
and types of the table, whatever the case of the keys and however many ``null`` the document had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from untrusted.document import DocumentError, Object, fold
from untrusted.text import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["text", "texts", "integer", "integers", "unsigned", "boolean", "text_map", "any"]
"""The type of a field; ``any`` is kept unchanged."""

Unknown = Literal["drop", "keep", "refuse"]
"""What happens to a field that is not in the table."""

_UNSIGNED = (1 << 64) - 1

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
        case "any":
            return document.value(name)
        case _:
            return getattr(document, kind)(name)
