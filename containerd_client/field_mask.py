"""The field paths of an update, as protobuf wants them."""

from __future__ import annotations

from google.protobuf.field_mask_pb2 import FieldMask


def field_mask(paths: tuple[str, ...]) -> FieldMask | None:
    """None for no paths, which containerd reads as: replace everything that may be replaced."""
    return FieldMask(paths=paths) if paths else None
