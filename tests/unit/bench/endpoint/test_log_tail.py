"""Log files of both formats, cut in any place: their last line and how many lines they have."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from cri_shim.bench.endpoint.log_tail import UnknownFormatError, ends_with, whole_lines

if TYPE_CHECKING:
    from collections.abc import Callable

END = b"--- that was all ---"
PRINTED = b"".join(b"%08d a line as programs write them\n" % number for number in range(3000))


def as_cri(piece: bytes) -> bytes:
    """A record as containerd and conmon write it."""
    tag = b"F" if piece.endswith(b"\n") else b"P"
    return b"2026-11-29T08:45:12.171801880+00:00 stdout " + tag + b" " + piece.removesuffix(b"\n") + b"\n"


def as_docker(piece: bytes) -> bytes:
    """A record as dockerd writes it."""
    record = {"log": piece.decode(), "stream": "stdout", "time": "2026-11-29T08:45:13.128729961Z"}
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def cut(printed: bytes, seed: int) -> list[bytes]:
    """Lines, some of them in pieces: every few hundred bytes a buffer ends."""
    ends = random.Random(seed)
    pieces = []
    for line in printed.splitlines(keepends=True):
        at = ends.randrange(1, len(line) * 5)
        pieces += [line[:at], line[at:]] if at < len(line) - 1 else [line]
    return pieces


FORMATS = pytest.mark.parametrize("record", [as_cri, as_docker])


@FORMATS
@pytest.mark.parametrize("seed", range(5))
def test_lines_count_once_however_they_are_cut(tmp_path, record: Callable[[bytes], bytes], seed):
    """A piece that goes on is no line; several blocks are read."""
    log = tmp_path / "0.log"
    pieces = cut(PRINTED * 12, seed)
    assert len(pieces) > 12 * 3000
    log.write_bytes(b"".join(map(record, pieces)))
    assert whole_lines(log) == 12 * 3000


@FORMATS
def test_the_end_is_seen_however_it_is_cut(tmp_path, record):
    """In one record or in two; not before its own end."""
    log = tmp_path / "0.log"
    body = b"".join(map(record, cut(PRINTED, 1)))
    for at in range(1, len(END)):
        log.write_bytes(body + record(END[:at]))
        assert not ends_with(log, END)
        log.write_bytes(body + record(END[:at]) + record(END[at:] + b"\n"))
        assert ends_with(log, END)
    log.write_bytes(body + record(END + b"\n"))
    assert ends_with(log, END)


@FORMATS
def test_a_record_that_is_still_being_written_is_not_the_end(tmp_path, record):
    """Not even its last byte may be missing."""
    log = tmp_path / "0.log"
    whole = record(END + b"\n")
    log.write_bytes(record(b"a line\n") + whole[:-1])
    assert not ends_with(log, END)
    log.write_bytes(b"")
    assert not ends_with(log, END)


@FORMATS
def test_another_line_with_the_same_end_is_not_the_end(tmp_path, record):
    """The whole line counts."""
    log = tmp_path / "0.log"
    log.write_bytes(record(b"a line\n") + record(b"not " + END + b"\n"))
    assert not ends_with(log, END)


@FORMATS
def test_a_log_that_goes_on_is_read_from_where_it_was(tmp_path, record):
    """A runtime that does not rotate adds to the same file."""
    log = tmp_path / "0.log"
    log.write_bytes(record(b"a line\n") * 5 + record(END + b"\n"))
    begin = log.stat().st_size
    assert not ends_with(log, END, begin)
    assert whole_lines(log, begin) == 0
    with log.open("ab") as file:
        file.write(record(b"another\n") * 7 + record(END + b"\n"))
    assert ends_with(log, END, begin)
    assert whole_lines(log, begin) == 8


@pytest.mark.parametrize("content", [b"not a record-\n", b'{"log": 3}\n', b'{"log": "a-\n', b"\xff\x00-\n"])
def test_another_format_is_an_error_that_shows_it(tmp_path, content):
    """Not an exception of a parser, and nothing that a terminal would obey."""
    log = tmp_path / "0.log"
    log.write_bytes(content)
    with pytest.raises(UnknownFormatError, match=r"record") as refused:
        ends_with(log, END)
    assert "\0" not in str(refused.value)
