"""The CRI log format against a slow and simple description of it."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cri_shim.logs.format import STDERR, STDOUT, format_chunk, rfc3339nano

STAMP = b"2024-05-06T07:08:09.123456789+02:00"
ENTRY = re.compile(rb"(\S+) (stdout|stderr) ([FP]) (.*)", re.DOTALL)

# Few different bytes, so that line ends, their halves and runs of both are common.
output = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"bc", b"\x00", b"\xff", b"long" * 7]), max_size=40
).map(b"".join)


def reference(data: bytes, max_line: int) -> list[tuple[bytes, bytes]]:
    """What the log must hold: (tag, content) of each entry, found line by line in the whole output."""
    entries = []
    lines = data.split(b"\n")
    for number, line in enumerate(lines):
        unfinished = number == len(lines) - 1
        if unfinished and not line:
            continue
        content = line[:-1] if line.endswith(b"\r") and not unfinished else line
        while 0 < max_line < len(content):
            entries.append((b"P", content[:max_line]))
            content = content[max_line:]
        entries.append((b"P" if unfinished else b"F", content))
    return entries


def parse(log: bytes) -> list[tuple[bytes, bytes]]:
    """The (tag, content) of each entry of a log."""
    assert not log or log.endswith(b"\n")
    entries = []
    for line in log.split(b"\n")[:-1]:
        match = ENTRY.fullmatch(line)
        assert match, line
        assert match[1] == STAMP
        assert match[2] == b"stdout"
        entries.append((match[3], match[4]))
    return entries


def feed(chunks: list[bytes], max_line: int) -> bytes:
    """Offer the chunks one after the other, each behind what was left over, as the pump does."""
    log = held = b""
    for number, chunk in enumerate(chunks):
        held += chunk
        final = number == len(chunks) - 1
        entries = format_chunk(held, stamp=STAMP, stream=STDOUT, max_line=max_line, final=final)
        assert entries.count == entries.data.count(b"\n")
        log += entries.data
        held = held[entries.consumed :]
        assert max_line <= 0 or len(held) <= max_line + 1
    assert held == b""
    return log


@given(data=output, cuts=st.lists(st.integers(0, 200), max_size=8), max_line=st.integers(0, 40))
@example(data=b"abcd\r\n", cuts=[5], max_line=4)
@example(data=b"abcde\r\n", cuts=[6], max_line=4)
@example(data=b"abcd\r", cuts=[], max_line=4)
def test_however_the_output_is_cut_into_chunks_the_log_is_the_reference(
    data: bytes, cuts: list[int], max_line: int
) -> None:
    """Chunk borders leave no trace: entries equal those found in the whole output line by line."""
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[a:b] for a, b in itertools.pairwise(borders)]
    assert parse(feed(chunks, max_line)) == reference(data, max_line)


@given(data=st.binary(max_size=300), max_line=st.integers(1, 50))
def test_pieces_joined_give_the_content_back_and_none_exceeds_the_limit(data: bytes, max_line: int) -> None:
    """Any bytes: P pieces joined with what follows them are the output, less the carriage returns of line ends."""
    entries = parse(feed([data], max_line))
    assert all(len(content) <= max_line for _, content in entries)
    joined = b"".join(content + (b"\n" if tag == b"F" else b"") for tag, content in entries)
    assert joined == data.replace(b"\r\n", b"\n")


def test_a_line_of_exactly_the_limit_is_not_cut() -> None:
    """Only a line longer than the limit is cut, into P entries of exactly the limit, and its rest is F."""
    assert parse(feed([b"x" * 8 + b"\n"], 8)) == [(b"F", b"x" * 8)]
    assert parse(feed([b"x" * 17 + b"\n"], 8)) == [(b"P", b"x" * 8), (b"P", b"x" * 8), (b"F", b"x")]


def test_an_unfinished_line_waits_until_it_exceeds_the_limit() -> None:
    """Nothing is written of a line that is within the limit and may go on; final writes it as P."""
    held = format_chunk(b"abc", stamp=STAMP, stream=STDERR, max_line=3, final=False)
    assert (held.data, held.consumed, held.count) == (b"", 0, 0)
    cut = format_chunk(b"abcd", stamp=STAMP, stream=STDERR, max_line=3, final=False)
    assert (cut.data, cut.consumed) == (STAMP + b" stderr P abc\n", 3)
    last = format_chunk(b"abc", stamp=STAMP, stream=STDERR, max_line=3, final=True)
    assert (last.data, last.consumed) == (STAMP + b" stderr P abc\n", 3)


@pytest.mark.parametrize(
    ("ns", "offset", "text"),
    [
        (0, 0, b"1970-01-01T00:00:00Z"),
        (1_700_000_000_123_456_789, 0, b"2023-11-14T22:13:20.123456789Z"),
        (1_700_000_000_120_000_000, 7200, b"2023-11-15T00:13:20.12+02:00"),
        (1_700_000_000_000_000_001, -12600, b"2023-11-14T18:43:20.000000001-03:30"),
        (1_700_000_000_000_000_000, 20700, b"2023-11-15T03:58:20+05:45"),
    ],
)
def test_times_are_written_as_go_writes_them(ns: int, offset: int, text: bytes) -> None:
    """RFC3339Nano drops trailing zeros of the fraction, and says Z only for UTC."""
    assert rfc3339nano(ns, offset) == text


@given(ns=st.integers(0, 4_000_000_000_000_000_000), minutes=st.integers(-12 * 60, 14 * 60))
def test_times_read_back_are_the_same_moment(ns: int, minutes: int) -> None:
    """Whatever the zone, the text names the nanosecond it was made from."""
    text = rfc3339nano(ns, minutes * 60).decode()
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", text)
    assert match
    zone = UTC if match[3] == "Z" else timezone(timedelta(minutes=minutes))
    seconds = int(datetime.fromisoformat(match[1]).replace(tzinfo=zone).timestamp())
    assert seconds * 1_000_000_000 + int((match[2] or ".")[1:].ljust(9, "0")) == ns
    assert not (match[2] or "").endswith("0")
