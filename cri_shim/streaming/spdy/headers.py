"""Header blocks of SPDY/3: names and values with length prefixes, in one deflate stream for each direction.

The stream goes on from block to block, so a block that cannot be decoded spoils all later ones and ends the connection.
Both ends begin with the dictionary of SPDY/3 (2.6.10.1), built here from the lists of words that it consists of.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

from cri_shim.streaming.spdy.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.streaming.spdy.limits import Limits

_WORDS: Final = (  # noqa: SIM905 - a list of 59 quoted words is harder to read
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status"
).split()
_MORE_WORDS: Final = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_TEXT: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)

DICTIONARY: Final = (
    b"".join(struct.pack(">I", len(word)) + word.encode() for word in (*_WORDS, *_MORE_WORDS)) + _TEXT.encode()
)

# Replies carry hardly any headers. zlib's defaults would take 256 KiB for each connection, these values take 10.
_WINDOW_BITS: Final = 11
_MEMORY_LEVEL: Final = 1
_U32: Final = struct.Struct(">I")


class HeaderReader:
    """The decompressing end of one direction."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def read(self, block: bytes) -> dict[str, str]:
        """Return the headers of a block, with names in lower case.

        A NUL separates values of a repeated header, as on the wire.

        Raises ``RemoteProtocolError`` if the block is damaged or larger than the limits allow.
        """
        limit = self._limits.header_block
        try:
            plain = self._inflate.decompress(block, limit + 1)
        except zlib.error as error:
            raise RemoteProtocolError(f"header block cannot be decompressed: {error}") from None
        if len(plain) > limit:
            raise RemoteProtocolError(f"header block is larger than {limit} bytes")
        if self._inflate.eof:
            raise RemoteProtocolError("header compression was ended by the peer")
        return self._parse(plain)

    def _parse(self, plain: bytes) -> dict[str, str]:
        at = 0

        def number() -> int:
            nonlocal at
            if at + 4 > len(plain):
                raise RemoteProtocolError("header block is cut short")
            (value,) = _U32.unpack_from(plain, at)
            at += 4
            return int(value)

        def text() -> str:
            nonlocal at
            end = number() + at
            if end > len(plain):
                raise RemoteProtocolError("header block is cut short")
            value = plain[at:end].decode("latin-1")
            at = end
            return value

        count = number()
        if count > self._limits.header_pairs:
            raise RemoteProtocolError(f"header block has {count} headers, more than {self._limits.header_pairs}")
        headers: dict[str, str] = {}
        for _ in range(count):
            # Go's client writes names in any case; upper case is an error by the specification, and harmless here.
            name = text().lower()
            if not name or name in headers:
                raise RemoteProtocolError(f"header {name!r} is empty or given twice")
            headers[name] = text()
        if at != len(plain):
            raise RemoteProtocolError("header block has bytes after its last header")
        return headers


class HeaderWriter:
    """The compressing end of one direction."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(
            1, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, zlib.Z_DEFAULT_STRATEGY, DICTIONARY
        )

    def write(self, headers: Mapping[str, str]) -> bytes:
        """Return the compressed block of ``headers``."""
        parts = [_U32.pack(len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode("latin-1"), value.encode("latin-1")):
                parts += (_U32.pack(len(text)), text)
        return self._deflate.compress(b"".join(parts)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
