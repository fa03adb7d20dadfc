"""Lines of the log for a program that does not read them."""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from cri_shim.daemon import line_logger
from cri_shim.daemon.line_logger import LineLogger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

Pipe = tuple[int, "TextIO"]


@pytest.fixture(params=["pipe", "socket"])
def pipe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    """What standard error leads to, and its other end."""
    monkeypatch.setattr(line_logger, "PATIENCE", 0.01)
    if request.param == "pipe":
        reader, writer = os.pipe()
    else:
        reader, writer = (each.detach() for each in socket.socketpair())
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        yield reader, stream
        os.close(reader)


def read(reader: int) -> bytes:
    """Read what is there."""
    data = b""
    while select.select([reader], [], [], 0)[0]:
        data += os.read(reader, 1 << 16)
    return data


@pytest.mark.parametrize("size", [100, 10_000])
def test_a_reader_that_stops_holds_nothing_up(pipe: Pipe, size: int) -> None:
    """Lines are lost until it reads again; then their number is logged, and every line is a whole one but the last."""
    reader, stream = pipe
    lines = LineLogger(stream)
    written = ["x" * size] * (2 * (1 << 20) // size)
    with capture_logs() as logs:
        for line in written:
            lines.msg(line)
        assert logs == []
        before = read(reader)
        lines.msg("again")
    assert [(one["event"], one["log_level"]) for one in logs] == [("log.lines_lost", "warning")]
    kept = before.decode().splitlines().count("x" * size)
    assert kept + logs[0]["lines"] == len(written)
    assert read(reader).decode().splitlines()[-1] == "again"
    lines.msg("and again")
    assert read(reader) == b"and again\n"


def test_text_that_is_not_unicode_is_written(pipe: Pipe) -> None:
    """In the form of standard error."""
    reader, stream = pipe
    LineLogger(stream).msg("a\ud800b é")
    assert read(reader).decode() == "a\\ud800b é\n"


def test_a_reader_that_has_gone(pipe: Pipe) -> None:
    """No line can be written any more, and no request fails over it."""
    reader, stream = pipe
    spare = os.open(os.devnull, os.O_RDONLY)
    os.dup2(spare, reader)
    os.close(spare)
    for _ in range(3):
        LineLogger(stream).msg("nobody reads this")
