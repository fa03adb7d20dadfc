"""A server's answer: its status and headers, and readers for its body (raw chunks, blob, whole, error text)."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from containerd_client.distribution.registries.content_encoding import (
    EncodingError,
    UnknownEncodingError,
    decoded_blob,
    decoded_document,
    encodings_of,
)
from containerd_client.distribution.registries.large_body import can_be_taken, taken
from containerd_client.distribution.registries.wire_errors import as_transfer_errors
from containerd_client.distribution.values.errors import RegistryUnavailableError, TransferError
from untrusted import decode_utf8

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp
    from multidict import CIMultiDictProxy

    from containerd_client.distribution.values.urls import Url

LARGEST_ERROR = 1000
"""Bytes of an error's body that are read."""


class Answer:
    """The answer to one request; ``foreign`` means that a redirect led to another server, which gave this answer."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        url: Url,
        what: str,
        *,
        foreign: bool,
        idle_limit: float | None = None,
    ) -> None:
        """Wrap the response of the server at ``url``; error texts about the body begin with ``what``.

        ``idle_limit`` is the longest time without a byte of the body, in seconds.
        """
        self.url = url
        self.what = what
        self.foreign = foreign
        self._response = response
        self._idle_limit = idle_limit
        self.encodings = encodings_of(response.headers.getall("Content-Encoding", []))

    @property
    def status(self) -> int:
        """Return the status code."""
        return self._response.status

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """Return the headers."""
        return self._response.headers

    @property
    def length(self) -> int | None:
        """Return the number of bytes on the wire, or None if the server does not announce it."""
        return self._response.content_length

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it is on the wire; raises TransferError if the transfer breaks."""
        chunks = self._response.content.iter_any()
        while True:
            with as_transfer_errors(self.what):
                chunk = await anext(chunks, b"")
            if not chunk:
                return
            yield chunk

    async def _unchanged(self) -> AsyncIterator[bytes | memoryview]:
        """Yield the body as :meth:`chunks` does, a large one past the HTTP library."""
        if not can_be_taken(self._response):
            async for chunk in self.chunks():
                yield chunk
            return
        async with aclosing(taken(self._response, self._idle_limit)) as pieces:
            while True:
                with as_transfer_errors(self.what):
                    piece = await anext(pieces, b"")
                if not piece:
                    return
                yield piece

    async def blob(self, size: int, media_type: str) -> AsyncIterator[bytes | memoryview]:
        """Yield the body of a blob of ``size`` bytes: unchanged if it has that length, else decoded.

        Without a length, what cannot be decoded is yielded unchanged, too. Pieces of a large body are overwritten later
        (:func:`large_body.taken`). Raises TransferError if the body breaks off or is damaged, as for a broken
        connection.
        """
        if not self.encodings or self.length == size:
            async for piece in self._unchanged():
                yield piece
            return
        try:
            async for chunk in decoded_blob(self.chunks(), self.encodings, media_type, encoded=self.length is not None):
                yield chunk
        except UnknownEncodingError as error:
            raise RegistryUnavailableError(f"{self.what}: {error}") from None
        except EncodingError as error:
            raise TransferError(f"{self.what}: {error}") from None

    async def read(self, limit: int) -> bytes | None:
        """Return the whole body of a JSON document, decoded, or None if it has more than ``limit`` bytes."""
        data = bytearray()
        try:
            async for chunk in decoded_document(self.chunks(), self.encodings):
                data += chunk
                if len(data) > limit:
                    return None
        except EncodingError as error:
            raise RegistryUnavailableError(f"{self.what}: {error}") from None
        return bytes(data)

    async def error_text(self) -> str:
        """Return the beginning of an error's body as text; empty if another server sent it or if it is encoded."""
        if self.foreign or self.encodings:
            return ""
        data = bytearray()
        async for chunk in self.chunks():
            data += chunk
            if len(data) >= LARGEST_ERROR:
                break
        return decode_utf8(bytes(data[:LARGEST_ERROR]))
