"""Bound what a server may send besides the body: all headers together, chunk sizes and their extensions, trailers.

aiohttp bounds the size and the number of the headers, but not their sum: its own limits, wide enough for what Go
accepts, would let a server fill gigabytes of memory. So the bytes that arrive are counted here, until the headers are
complete, and then against the bytes of the body.

Here as well, headers are accepted that the library rejects and Go accepts: see :func:`tolerated`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientError, ClientPayloadError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError

if TYPE_CHECKING:
    import asyncio

    from aiohttp import StreamReader

LARGEST: Final = 10 << 20
"""Bytes of all headers of a response, as in Go, and of everything around its body that is not body."""
LARGEST_LINE: Final = 1 << 20
"""Bytes of one header, and of the first line."""
MOST_HEADERS: Final = 10_000
AROUND: Final = 16
"""Bytes around each byte of the body that are allowed in addition, because a server may send it in tiny chunks."""


_BEGIN: Final = b"HTTP/"
_END: Final = re.compile(rb"\n\r?\n")
"""The end of headers: Go accepts line ends without the carriage return."""
_PART_OF_END: Final = 2
"""Bytes of it after which the last one may still be missing."""
_STATUS: Final = re.compile(rb"HTTP/1\.([0-9]) +")
_BEFORE_COLON: Final = re.compile(rb"^([!-9;-~]+)[ \t]+:", re.MULTILINE)
_NO_NAME: Final = re.compile(rb"^[!-9;-~]+ [ -9;-~]*:.*\n", re.MULTILINE)
_NO_LENGTH: Final = re.compile(rb"^content-length:[ \t]*\r?\n", re.MULTILINE | re.IGNORECASE)
_LENGTH: Final = re.compile(rb"^content-length:[ \t]*([0-9]+)[ \t]*\r?\n", re.MULTILINE | re.IGNORECASE)
_ENCODING: Final = re.compile(rb"^transfer-encoding:", re.MULTILINE | re.IGNORECASE)


def tolerated(head: bytes) -> bytes:
    """Return the headers in a form that the library accepts: without spaces before colons, and with one length.

    A length that is repeated is one, an empty one is none, and beside ``Transfer-Encoding`` none counts (RFC 9112,
    6.3). Headers whose names have spaces within are dropped. A later minor version of HTTP/1 is 1.1. Too many headers
    are left as they are, and the library refuses them.
    """
    if head.count(b"\n") > MOST_HEADERS:
        return head
    status, line_end, head = head.partition(b"\n")
    status = _STATUS.sub(lambda match: b"HTTP/1.0 " if match[1] == b"0" else b"HTTP/1.1 ", status, count=1)
    head = _NO_LENGTH.sub(b"", _NO_NAME.sub(b"", _BEFORE_COLON.sub(rb"\1:", head)))
    lengths = _LENGTH.findall(head)
    if lengths and _ENCODING.search(head):
        head = _LENGTH.sub(b"", head)
    elif len(lengths) > 1 and len(set(lengths)) == 1:
        head = _LENGTH.sub(b"", head, count=len(lengths) - 1)
    return status + line_end + head


class BoundedResponseHandler(ResponseHandler):
    """Reads one connection's responses, and ends the connection when one of them has too much besides its body."""

    # The library gives up a response whose body is followed by more bytes, if it gets them with the headers. Go ignores
    # them, and so the headers are passed on alone. They may arrive in pieces of any size, and are gathered first.

    _apart = False
    """Whether to do so; not for HEAD, of which GET is tried next if it is answered with a body."""
    _count = 0
    """Bytes of the response that have arrived."""
    _stream: StreamReader | None = None
    """Its body, once its headers are complete."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._head = bytearray()
        """Headers that are incomplete so far."""

    def set_response_params(self, **parameters: Any) -> None:
        """Begin with the next response, which may be that of a proxy to CONNECT (called by the library)."""
        self._count, self._stream = 0, None
        self._apart = not parameters.get("skip_payload")
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
        """Pass on what has arrived, headers and body separately, and count it (called by the transport)."""
        self._count += len(data)
        rest = self._after_headers(data) if self._apart and self._stream is None and data else data
        if rest is not None:
            super().data_received(rest)
        stream = self._stream
        if self._count <= LARGEST:
            return
        if stream is None:
            self._end(HttpProcessingError(code=0, message=f"its headers have more than {LARGEST} bytes"))
        elif self._count - stream.total_bytes > LARGEST + AROUND * stream.total_bytes:
            self._end(ClientPayloadError(f"more than {LARGEST} bytes arrive that do not belong to the body"))

    def _after_headers(self, data: bytes) -> bytes | None:
        """Pass on headers as soon as they are complete; return the bytes after them, None if there are none yet.

        What is not HTTP is returned at once, so that the library can say so.
        """
        head, known = self._head, max(0, len(self._head) - _PART_OF_END)
        head += data
        while head and self._stream is None and self.exception() is None and head.startswith(_BEGIN[: len(head)]):
            end = _END.search(head, known)
            if end is None:
                return None
            known = 0
            complete = bytes(head[: end.end()])
            del head[: end.end()]
            super().data_received(tolerated(complete))
        rest = bytes(head) if self.exception() is None else b""
        head.clear()
        return rest or None

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the response (called by the transport); the library sees incomplete headers as they are."""
        if self._head:
            head = bytes(self._head)
            self._head.clear()
            super().data_received(head)
        super().connection_lost(exc)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """End the response with an error (called by the library), and its body as well.

        The library does not tell the reader of a body if what comes next is not HTTP, and stops the timer at the same
        time, so that the reader would wait for ever.
        """
        super().set_exception(exc, *cause)
        stream = self._stream
        if stream is None or stream.is_eof() or stream.exception() is not None:
            return
        known = isinstance(exc, ClientError | OSError | TimeoutError)
        stream.set_exception(exc if known else ClientPayloadError(f"it is not valid HTTP: {_first_line(exc)}"))

    def _end(self, error: Exception) -> None:
        if self.transport is not None:
            self.transport.abort()
        self.set_exception(error)


def _first_line(error: BaseException) -> str:
    """Return what is wrong, without the lines that point at the place in the response."""
    text = str(getattr(error, "message", "")) or type(error).__name__
    return text.strip().partition("\n")[0].rstrip(" :")
