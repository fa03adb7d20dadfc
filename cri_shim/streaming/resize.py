"""Parse the resize stream: JSON objects ``{"Width": w, "Height": h}``, one after another, split anywhere."""

from __future__ import annotations

import json

from cri_shim.streaming.remote import Size

_LARGEST_MESSAGE = 1024
_LARGEST_SIDE = 65535


class ResizeReader:
    """Collects bytes into sizes; skips invalid messages, since a wrong terminal size is no reason to end a session."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Size]:
        """Return the sizes that ``data`` completes, without those that have a side of 0."""
        self._buffer += data
        sizes = []
        while b"}" in self._buffer:
            message, _, self._buffer = self._buffer.partition(b"}")
            size = _size_in(message + b"}")
            if size is not None:
                sizes.append(size)
        if len(self._buffer) > _LARGEST_MESSAGE:
            self._buffer = b""
        return sizes


def _size_in(message: bytes) -> Size | None:
    try:
        values = json.loads(message)
        width, height = values["Width"], values["Height"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(width, int) or not isinstance(height, int):
        return None
    return Size(width, height) if 0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE else None
