"""Convert CRI messages to and from JSON the way Go's encoding/json treats the generated structs.

The in-process plugin stores ``Config`` in that form: field names in snake_case as in the .proto, enums and 64-bit
integers as JSON numbers, empty fields left out, bytes in base64. protobuf's own JSON form differs in each of these.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from untrusted import shorten

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")


def to_go_json(message: Message) -> dict[str, Any]:
    """Return ``message`` as a dict that ``json.dumps`` writes as Go would."""
    return {field.name: _field(field, value) for field, value in message.ListFields()}


def from_go_json(stored: dict[str, Any], message: M) -> M:
    """Fill ``message`` from its Go form and return it; fields of other CRI versions are ignored.

    Raises ValueError when a field has the wrong type.
    """
    try:
        return json_format.ParseDict(_without_nulls(stored), message, ignore_unknown_fields=True)
    except (json_format.ParseError, TypeError, AttributeError) as error:
        raise ValueError(f"stored {message.DESCRIPTOR.name} cannot be read: {shorten(str(error), 512)}") from error


def _field(field: FieldDescriptor, value: Any) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        of = kind.fields_by_name["value"]
        return {str(key): _single(of, item) for key, item in value.items()}
    if field.is_repeated:
        return [_single(field, item) for item in value]
    return _single(field, value)


def _single(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return to_go_json(value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return base64.b64encode(value).decode()
    return value


def _without_nulls(value: Any) -> Any:
    """Drop nulls: Go writes a nil element of a list as null, which ParseDict refuses; an absent one means the same."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value
