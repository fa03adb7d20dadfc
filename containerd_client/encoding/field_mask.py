"""Convert the field paths of an update to protobuf's FieldMask."""

from __future__ import annotations

from google.protobuf.field_mask_pb2 import FieldMask


def field_mask(paths: tuple[str, ...]) -> FieldMask | None:
    """Return a mask of ``paths``, or None if there are none: containerd then replaces every field that may change."""
    return FieldMask(paths=paths) if paths else None
