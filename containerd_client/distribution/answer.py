"""What a server answered: its status and headers, and its body in the forms in which it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.distribution.content_encoding import (
    EncodingError,
    UnknownEncodingError,
    decoded,
    decoded_blob,
    encodings_of,
)
from containerd_client.distribution.errors import RegistryUnavailableError, TransferError
from containerd_client.distribution.wire_errors import as_transfer_errors
from untrusted import decode_utf8

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import aiohttp
    from multidict import CIMultiDictProxy

    from containerd_client.distribution.urls import Url

LARGEST_ERROR = 1000
"""Bytes of the body of an error that are read."""


class Answer:
    """The end of one request. ``foreign``: a redirect led to another server, and this is its answer."""

    def __init__(self, response: aiohttp.ClientResponse, url: Url, what: str, *, foreign: bool) -> None:
        """``url`` is who answers; ``what`` begins the errors about the body."""
        self.url = url
        self.what = what
        self.foreign = foreign
        self._response = response
        self.encodings = encodings_of(response.headers.getall("Content-Encoding", []))

    @property
    def status(self) -> int:
        """The status code."""
        return self._response.status

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The headers."""
        return self._response.headers

    @property
    def length(self) -> int | None:
        """The bytes on the wire, or None if the server does not say."""
        return self._response.content_length

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the body as it is on the wire; what breaks comes out as TransferError."""
        chunks = self._response.content.iter_any()
        while True:
            with as_transfer_errors(self.what):
                chunk = await anext(chunks, b"")
            if not chunk:
                return
            yield chunk

    async def blob(self, size: int, media_type: str) -> AsyncIterator[bytes]:
        """Give the body of a blob of ``size`` bytes: as it is if it has that length, else decoded.

        One that breaks off or is damaged is a TransferError, like a broken connection.
        """
        if not self.encodings or self.length == size:
            async for chunk in self.chunks():
                yield chunk
            return
        try:
            async for chunk in decoded_blob(self.chunks(), self.encodings, media_type):
                yield chunk
        except UnknownEncodingError as error:
            raise RegistryUnavailableError(f"{self.what}: {error}") from None
        except EncodingError as error:
            raise TransferError(f"{self.what}: {error}") from None

    async def read(self, limit: int) -> bytes | None:
        """Read the whole body, decoded; None if it has more than ``limit`` bytes."""
        data = bytearray()
        try:
            async for chunk in decoded(self.chunks(), self.encodings):
                data += chunk
                if len(data) > limit:
                    return None
        except EncodingError as error:
            raise RegistryUnavailableError(f"{self.what}: {error}") from None
        return bytes(data)

    async def error_text(self) -> str:
        """Return the beginning of an error's body as text; empty if another server sent it, or if it is encoded."""
        if self.foreign or self.encodings:
            return ""
        data = bytearray()
        async for chunk in self.chunks():
            data += chunk
            if len(data) >= LARGEST_ERROR:
                break
        return decode_utf8(bytes(data[:LARGEST_ERROR]))
