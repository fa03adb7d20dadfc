"""The frame and header layers of SPDY: what goes in comes out, however it was split; too much is refused."""

from __future__ import annotations

import itertools
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.streaming.spdy import Limits, RemoteProtocolError, frames
from cri_shim.streaming.spdy.frames import ControlFrame, DataPiece, FrameReader, FrameType
from cri_shim.streaming.spdy.headers import DICTIONARY, HeaderReader, HeaderWriter

names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20).map(str.lower)
values = st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=50)
header_blocks = st.dictionaries(names, values, max_size=8)


def test_dictionary_is_the_one_of_the_standard() -> None:
    """zlib streams of SPDY/3 begin with this checksum of their dictionary, whichever program made them."""
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2


@given(st.lists(header_blocks, max_size=5))
def test_headers_come_back(blocks: list[dict[str, str]]) -> None:
    """What one end writes in a row, the other reads, block by block."""
    writer, reader = HeaderWriter(), HeaderReader(Limits())
    assert [reader.read(writer.write(block)) for block in blocks] == blocks


def test_headers_of_another_compressor_come_back() -> None:
    """A peer may use zlib's full window."""
    plain = struct.pack(">I", 1) + struct.pack(">I", 10) + b"streamtype" + struct.pack(">I", 5) + b"stdin"
    deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    block = deflate.compress(plain) + deflate.flush(zlib.Z_SYNC_FLUSH)
    assert HeaderReader(Limits()).read(block) == {"streamtype": "stdin"}


def test_header_bomb_is_refused() -> None:
    """A few kilobytes that unfold to megabytes end the connection, without unfolding."""
    deflate = zlib.compressobj(9, zdict=DICTIONARY)
    block = deflate.compress(struct.pack(">II", 1, 1 << 24) + b"a" * (1 << 24)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    assert len(block) < Limits().control_frame * 2
    with pytest.raises(RemoteProtocolError, match="larger than 65536 bytes"):
        HeaderReader(Limits()).read(block)


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        (b"\0\0", "cut short"),
        (struct.pack(">I", 2**31), "headers, more than"),
        (struct.pack(">II", 1, 2**32 - 1), "cut short"),
        (struct.pack(">III", 1, 0, 0), "empty or given twice"),
        ((struct.pack(">I", 2) + (struct.pack(">I", 1) + b"a" + struct.pack(">I", 0)) * 2), "given twice"),
        (struct.pack(">I", 0) + b"x", "after its last header"),
    ],
)
def test_damaged_header_blocks_are_refused(plain: bytes, words: str) -> None:
    """Lengths that lie and names that repeat are errors."""
    deflate = zlib.compressobj(zdict=DICTIONARY)
    with pytest.raises(RemoteProtocolError, match=words):
        HeaderReader(Limits()).read(deflate.compress(plain) + deflate.flush(zlib.Z_SYNC_FLUSH))


def test_ended_compression_is_refused() -> None:
    """A deflate stream that ends would read as no headers for ever after."""
    deflate = zlib.compressobj(zdict=DICTIONARY)
    with pytest.raises(RemoteProtocolError, match="ended by the peer"):
        HeaderReader(Limits()).read(deflate.compress(struct.pack(">I", 0)) + deflate.flush())


some_frames = st.lists(
    st.one_of(
        st.builds(frames.ping, st.integers(0, 2**32 - 1)),
        st.builds(frames.rst_stream, st.integers(0, 2**31 - 1), st.integers(0, 99)),
        st.builds(frames.settings, st.dictionaries(st.integers(1, 8), st.integers(0, 2**32 - 1), max_size=3)),
        st.builds(
            lambda stream, data, fin: frames.data_head(stream, len(data), fin=fin) + data,
            st.integers(0, 2**31 - 1),
            st.binary(max_size=100),
            st.booleans(),
        ),
    ),
    max_size=8,
)


def whole(frames: list[ControlFrame | DataPiece]) -> list[object]:
    """Frames with the pieces of data joined."""
    result: list[object] = []
    for frame in frames:
        last = result[-1] if result else None
        if isinstance(frame, DataPiece) and isinstance(last, list) and last[0] == frame.stream_id and not last[2]:
            last[1] += frame.data
            last[2] = frame.fin
        elif isinstance(frame, DataPiece):
            result.append([frame.stream_id, frame.data, frame.fin])
        else:
            result.append(frame)
    return [entry for entry in result if not isinstance(entry, list) or entry[1] or entry[2]]


@given(some_frames, st.data())
def test_splitting_changes_nothing(sent: list[bytes], data: st.DataObject) -> None:
    """All at once, byte by byte or cut anywhere: the same frames."""
    stream = b"".join(sent)
    at_once = whole(list(FrameReader(16384).feed(stream)))
    cuts = sorted({0, len(stream), *data.draw(st.lists(st.integers(0, len(stream)), max_size=10))})
    reader = FrameReader(16384)
    pieces = [f for a, b in itertools.pairwise(cuts) for f in reader.feed(stream[a:b])]
    assert whole(pieces) == at_once
    reader = FrameReader(16384)
    assert whole([f for i in range(len(stream)) for f in reader.feed(stream[i : i + 1])]) == at_once


def test_large_data_is_handed_on_in_pieces() -> None:
    """A frame of 16 MiB is never collected."""
    reader = FrameReader(16384)
    assert list(reader.feed(frames.data_head(1, 2**24 - 1, fin=True))) == []
    assert list(reader.feed(b"abc")) == [DataPiece(1, b"abc", fin=False, first=True)]


def test_large_control_frame_is_refused_at_its_head() -> None:
    """The length is judged before the body comes."""
    head = struct.pack(">II", 0x80030000 | FrameType.SYN_STREAM, 16385)
    with pytest.raises(RemoteProtocolError, match="16385 bytes"):
        list(FrameReader(16384).feed(head))


def test_another_version_is_refused() -> None:
    """SPDY/2 has the same heads and other bodies."""
    with pytest.raises(RemoteProtocolError, match="version 2"):
        list(FrameReader(16384).feed(struct.pack(">II", 0x80020001, 0)))
