"""Bodies that come encoded although ``identity`` was asked for: proxies compress what they think is text.

What is decoded is given in pieces, so that a few bytes that grow to gigabytes cost no memory before a reader counts
them. A header that promises gzip for bytes that are not gzip is wrong, and the bytes are given as they are.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

PIECE = 256 << 10
"""Bytes that are decoded at once."""
MOST = 3
"""Encodings within each other."""

_NONE = frozenset({"", "identity", "none", "binary", "utf-8", "aws-chunked"})
"""What stands there for bytes that are as they are; the last is left over from an upload to S3."""
_ENOUGH = 4096
"""Encoded bytes from which the first decoded ones are sure to come."""
_GZIP = b"\x1f\x8b"
_MAGIC = {"gzip": _GZIP, "zstd": b"\x28\xb5\x2f\xfd"}


class EncodingError(ValueError):
    """A body cannot be decoded; the message says why."""


class UnknownEncodingError(EncodingError):
    """A body has an encoding that is not known; this is noticed before any of it is given."""


def encodings_of(values: Iterable[str]) -> tuple[str, ...]:
    """Read the values of Content-Encoding: the encodings in the order in which they were applied."""
    names = (name.strip().lower().removeprefix("x-") for value in values for name in value.split(","))
    return tuple(name for name in names if name not in _NONE)


def decoded(chunks: AsyncIterator[bytes], encodings: tuple[str, ...]) -> AsyncIterator[bytes]:
    """Undo the encodings; raises :class:`EncodingError`, from within the iteration too."""
    if len(encodings) > MOST:
        raise UnknownEncodingError(f"{len(encodings)} encodings within each other are more than {MOST}")
    for name in reversed(encodings):
        if name not in {"gzip", "deflate"}:
            raise UnknownEncodingError(f"the encoding {name[:32]!r} was not asked for and cannot be undone")
        chunks = _inflated(chunks, name)
    return chunks


async def decoded_blob(
    chunks: AsyncIterator[bytes], encodings: tuple[str, ...], media_type: str
) -> AsyncIterator[bytes]:
    """Undo the encodings of a blob, unless they are its own.

    A layer that is stored compressed is often labelled with a Content-Encoding as well. Its media type then promises
    the same compression; where nothing compressed is left after decoding, the bytes as they came were the blob.
    """
    begins, chunks = await _peeked(chunks, _ENOUGH)
    own = next((magic for kind, magic in _MAGIC.items() if kind in media_type), b"")
    if own and begins.startswith(own) and not await _still_begins_with(own, begins, encodings):
        encodings = ()
    async for chunk in decoded(chunks, encodings):
        yield chunk


async def _still_begins_with(magic: bytes, begins: bytes, encodings: tuple[str, ...]) -> bool:
    try:
        async for piece in decoded(_one(begins), encodings):
            return piece.startswith(magic)
    except EncodingError:
        return False
    return False


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
    """Return the first ``least`` bytes or more, fewer only if there are no more, and all chunks."""
    first = b""
    while len(first) < least and (chunk := await anext(chunks, b"")):
        first += chunk

    async def whole() -> AsyncIterator[bytes]:
        if first:
            yield first
        async for chunk in chunks:
            yield chunk

    return first, whole()
