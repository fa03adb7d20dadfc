"""Decode bodies that arrive encoded although ``identity`` was requested; some proxies compress what looks like text.

Decoded data are yielded in small pieces, so that a few bytes that expand to gigabytes use little memory before a reader
counts them. Headers are often wrong, and Go's client then uses the bytes as they are: so if the header promises gzip
and the bytes are not gzip, or an object of JSON begins in the clear, or a blob cannot be decoded from its first byte
on, the bytes are yielded unchanged. Their digest decides.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

PIECE = 256 << 10
"""Bytes that are decoded in one step."""
MOST = 3
"""Nested encodings that are undone."""

_NONE = frozenset({"", "identity", "none", "binary", "utf-8", "aws-chunked"})
"""Values that mean "not encoded"; the last is left over from an upload to S3."""
_ENOUGH = 4096
"""Number of encoded bytes that certainly yields the first decoded ones."""
_GZIP = b"\x1f\x8b"
_WITH_SPACES = 64
"""Number of bytes in which an object of JSON begins, spaces and line ends before it included."""
_JSON_BEGINS = b"{"
"""No encoding begins with this where the data is an object of JSON."""
_MAGIC = {"gzip": _GZIP, "zstd": b"\x28\xb5\x2f\xfd"}


class EncodingError(ValueError):
    """A body cannot be decoded; the message says why."""


class UnknownEncodingError(EncodingError):
    """A body has an unknown encoding; this is raised before any of the body is yielded."""


def encodings_of(values: Iterable[str]) -> tuple[str, ...]:
    """Return the encodings in the values of Content-Encoding, in the order in which they were applied."""
    names = (name.strip().lower().removeprefix("x-") for value in values for name in value.split(","))
    return tuple(name for name in names if name not in _NONE)


def decoded(chunks: AsyncIterator[bytes], encodings: tuple[str, ...]) -> AsyncIterator[bytes]:
    """Undo the encodings; raises :class:`EncodingError`, also during the iteration."""
    if len(encodings) > MOST:
        raise UnknownEncodingError(f"{len(encodings)} nested encodings are more than the {MOST} that are supported")
    for name in reversed(encodings):
        if name not in {"gzip", "deflate"}:
            raise UnknownEncodingError(f"the encoding {name[:32]!r} was not requested and is not supported")
        chunks = _inflated(chunks, name)
    return chunks


async def decoded_document(chunks: AsyncIterator[bytes], encodings: tuple[str, ...]) -> AsyncIterator[bytes]:
    """Undo the encodings of a document that is an object of JSON, unless it is in the clear."""
    if encodings:
        begins, chunks = await _peeked(chunks, _WITH_SPACES)
        if begins.lstrip().startswith(_JSON_BEGINS):
            encodings = ()
    async for chunk in decoded(chunks, encodings):
        yield chunk


async def decoded_blob(
    chunks: AsyncIterator[bytes], encodings: tuple[str, ...], media_type: str, *, encoded: bool
) -> AsyncIterator[bytes]:
    """Undo the encodings of a blob, unless they belong to the blob itself or the data do not have them.

    A layer that is stored compressed is often sent with a Content-Encoding as well. Its media type then promises the
    same compression. If the data are not compressed any more after decoding, the bytes as received were the blob.
    ``encoded`` says that they are certainly encoded, because their number is another one than the blob's.
    """
    begins, chunks = await _peeked(chunks, _ENOUGH)
    own = next((magic for kind, magic in _MAGIC.items() if kind in media_type), b"")
    wanted = own if begins.startswith(own) else b""
    if (wanted or not encoded) and not await _can_be_undone(begins, encodings, wanted):
        encodings = ()
    async for chunk in decoded(chunks, encodings):
        yield chunk


async def _can_be_undone(begins: bytes, encodings: tuple[str, ...], wanted: bytes) -> bool:
    """Return whether the data can be decoded, and then begin with ``wanted``."""
    try:
        async for piece in decoded(_one(begins), encodings):
            return piece.startswith(wanted)
    except EncodingError:
        return False
    return not wanted


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _inflated(chunks: AsyncIterator[bytes], name: str) -> AsyncIterator[bytes]:
    begins, chunks = await _peeked(chunks, len(_GZIP))
    if name == "gzip" and not begins.startswith(_GZIP):
        async for chunk in chunks:
            yield chunk
        return
    bits = 31 if name == "gzip" else 15 if _has_zlib_header(begins) else -15
    inflater = zlib.decompressobj(bits)
    pending = b""
    async for chunk in chunks:
        pending += chunk
        while True:
            if inflater.eof:
                if name != "gzip" or (len(pending) >= len(_GZIP) and not pending.startswith(_GZIP)):
                    pending = b""  # padding
                if len(pending) < len(_GZIP):
                    break
                inflater = zlib.decompressobj(bits)
            try:
                piece = inflater.decompress(pending, PIECE)
            except zlib.error as error:
                raise EncodingError(f"its {name} encoding is damaged ({error})") from None
            pending = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            if piece:
                yield piece
            if not pending and (inflater.eof or len(piece) < PIECE):
                break
    if not inflater.eof and begins:
        raise EncodingError(f"its {name} encoding ends early")


def _has_zlib_header(begins: bytes) -> bool:
    return len(begins) >= 2 and begins[0] & 0x0F == 8 and int.from_bytes(begins[:2], "big") % 31 == 0


async def _peeked(chunks: AsyncIterator[bytes], least: int) -> tuple[bytes, AsyncIterator[bytes]]:
    """Return the first ``least`` bytes or more (fewer only if the body is shorter), and all chunks."""
    first = b""
    while len(first) < least and (chunk := await anext(chunks, b"")):
        first += chunk

    async def whole() -> AsyncIterator[bytes]:
        if first:
            yield first
        async for chunk in chunks:
            yield chunk

    return first, whole()
