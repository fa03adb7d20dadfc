"""Bound what a server may send besides the body: all headers together, chunk sizes and their extensions, trailers.

aiohttp bounds the size and the number of the headers, but not their sum: its own limits, wide enough for what Go
accepts, would let a server fill gigabytes of memory. So the bytes that arrive are counted here, until the headers are
complete, and then against the bytes of the body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientPayloadError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError

if TYPE_CHECKING:
    from aiohttp import StreamReader

LARGEST: Final = 10 << 20
"""Bytes of all headers of a response, as in Go, and of everything around its body that is not body."""
LARGEST_LINE: Final = 1 << 20
"""Bytes of one header, and of the first line."""
MOST_HEADERS: Final = 10_000
AROUND: Final = 16
"""Bytes around each byte of the body that are allowed in addition, because a server may send it in tiny chunks."""


class BoundedResponseHandler(ResponseHandler):
    """Reads one connection's responses, and ends the connection when one of them has too much besides its body."""

    _count = 0
    """Bytes of the response that have arrived."""
    _stream: StreamReader | None = None
    """Its body, once its headers are complete."""

    def set_response_params(self, **parameters: Any) -> None:
        """Begin with the next response, which may be that of a proxy to CONNECT (called by the library)."""
        self._count, self._stream = 0, None
        super().set_response_params(
            **{**parameters, "max_line_size": LARGEST_LINE, "max_field_size": LARGEST_LINE, "max_headers": MOST_HEADERS}
        )

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Note that headers are complete (called by the library); those of an interim response are not the last."""
        message, stream = data
        if message.code >= 200:
            self._stream = stream
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Pass on what has arrived, and count it (called by the transport)."""
        self._count += len(data)
        super().data_received(data)
        stream = self._stream
        if self._count <= LARGEST:
            return
        if stream is None:
            self._end(HttpProcessingError(code=0, message=f"its headers have more than {LARGEST} bytes"))
        elif self._count - stream.total_bytes > LARGEST + AROUND * stream.total_bytes:
            self._end(ClientPayloadError(f"more than {LARGEST} bytes arrive that do not belong to the body"))

    def _end(self, error: Exception) -> None:
        if self.transport is not None:
            self.transport.abort()
        if self._stream is not None:
            self._stream.set_exception(error)
        self.set_exception(error)
