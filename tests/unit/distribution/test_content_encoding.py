"""Bodies that come encoded although no encoding was asked for."""

from __future__ import annotations

import gzip
import io
import os
import zlib

import pytest

from containerd_client.distribution.registries.content_encoding import (
    PIECE,
    EncodingError,
    decoded,
    decoded_blob,
    decoded_document,
    encodings_of,
)

TEXT = b'{"schemaVersion": 2}' * 1000
RAW = zlib.compressobj(wbits=-15)
DEFLATED_RAW = RAW.compress(TEXT) + RAW.flush()


async def pieces(data, size):
    for place in range(0, len(data), size):
        yield data[place : place + size]


async def undo(data, *encodings, size=7):
    return b"".join([piece async for piece in decoded(pieces(data, size), encodings)])


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
@pytest.mark.parametrize(
    ("data", "encodings"),
    [
        (TEXT, ()),
        (gzip.compress(TEXT), ("gzip",)),
        (zlib.compress(TEXT), ("deflate",)),
        (DEFLATED_RAW, ("deflate",)),
        (gzip.compress(gzip.compress(TEXT)), ("gzip", "gzip")),
        (gzip.compress(zlib.compress(TEXT)), ("deflate", "gzip")),
        (gzip.compress(TEXT[:5]) + gzip.compress(TEXT[5:]), ("gzip",)),
        (gzip.compress(TEXT) + bytes(100), ("gzip",)),
        (TEXT, ("gzip",)),
        (b"", ("gzip",)),
        (gzip.compress(b"") + gzip.compress(TEXT), ("gzip",)),
    ],
)
async def test_undone(data, encodings, size):
    """In pieces of any size; members, padding and a header that is wrong are no obstacle."""
    assert await undo(data, *encodings, size=size) == (b"" if not data else TEXT)


@pytest.mark.parametrize(
    ("data", "encodings", "said"),
    [
        (gzip.compress(TEXT)[:-9], ("gzip",), "ends early"),
        (gzip.compress(os.urandom(1000))[:500] + bytes(500), ("gzip",), "damaged|ends early"),
        (gzip.compress(TEXT)[:-8] + bytes(8), ("gzip",), "damaged"),
        (b"x" * 100, ("deflate",), "damaged"),
        (TEXT, ("br",), "'br' was not requested"),
        (TEXT, ("zstd",), "'zstd' was not requested"),
        (TEXT, ("\x01" * 1000,), "was not requested"),
        (TEXT, ("gzip",) * 4, "4 nested encodings"),
    ],
)
async def test_not_undone(data, encodings, said):
    """What is damaged, or of another kind, is said."""
    with pytest.raises(EncodingError, match=said):
        await undo(data, *encodings)


async def test_a_bomb_comes_in_pieces():
    """A kilobyte that grows to a gigabyte is given bit by bit, so that the reader can stop."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    data = gzip.compress(packed.getvalue())
    assert len(data) < 4096
    total = 0
    async for piece in decoded(pieces(data, 1 << 20), ("gzip", "gzip")):
        assert len(piece) <= PIECE
        total += len(piece)
        if total > 8 << 20:
            break
    assert total <= (8 << 20) + PIECE


@pytest.mark.parametrize("size", [1, 20, 1 << 20])
async def test_a_blob_keeps_its_own_compression(size):
    """One that is stored compressed and labelled so is not decoded; one that was compressed once more is."""
    blob = gzip.compress(os.urandom(20_000))
    media_type = "application/vnd.oci.image.layer.v1.tar+gzip"

    async def read(data):
        result = decoded_blob(pieces(data, size), ("gzip",), media_type, encoded=True)
        return b"".join([piece async for piece in result])

    assert await read(blob) == blob
    assert await read(gzip.compress(blob)) == blob
    plain = os.urandom(20_000)
    tar = "application/vnd.oci.image.layer.v1.tar"
    result = decoded_blob(pieces(gzip.compress(plain), size), ("gzip",), tar, encoded=False)
    assert b"".join([piece async for piece in result]) == plain


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip", "charset=utf-8", "br, gzip, gzip, gzip"])
@pytest.mark.parametrize("size", [1, 20, 1 << 20])
async def test_a_wrong_header(size, encoding):
    """A header that is not true changes nothing: a document in the clear, and a blob that cannot be decoded, stay."""
    encodings = encodings_of([encoding])
    for document in (b'{"token": "x"}', b' \r\n{"a": 1}'):
        result = decoded_document(pieces(document, size), encodings)
        assert b"".join([piece async for piece in result]) == document
    blob = b"plain/" + os.urandom(20_000)
    result = decoded_blob(pieces(blob, size), encodings, "application/vnd.oci.image.layer.v1.tar", encoded=False)
    assert b"".join([piece async for piece in result]) == blob


async def test_a_blob_of_another_length_is_encoded():
    """What cannot be decoded then is an error that names it, not a blob of the wrong length."""
    with pytest.raises(EncodingError, match="'br'"):
        _ = [piece async for piece in decoded_blob(pieces(b"x", 1), ("br",), "a/tar", encoded=True)]


def test_header():
    """In the order in which they were applied; identity is none."""
    assert encodings_of(["x-gzip , Identity", "", "DEFLATE,,"]) == ("gzip", "deflate")
