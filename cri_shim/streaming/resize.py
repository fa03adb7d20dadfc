"""Parse the resize stream: JSON objects ``{"Width": w, "Height": h}``, one after another, split anywhere.

They are read by Go's rules, because the kubelet and containerd read them so: clients in other languages may write
``width``.
"""

from __future__ import annotations

from cri_shim.streaming.remote import Size
from untrusted import DocumentError, parse_object

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
        values = parse_object(message)
        width, height = (values.integer(name, least=0, most=_LARGEST_SIDE) for name in ("Width", "Height"))
    except DocumentError:
        return None
    return Size(width, height) if width and height else None
