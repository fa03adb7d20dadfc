"""The ends of FIFOs on the event loop."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from cri_shim.logs import StdinKeeper
from cri_shim.streaming.fifo_io import FifoReader, FifoWriter

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    """A FIFO."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    return path


def writer_of(path: str) -> FifoWriter:
    """The writing end, before anybody reads."""
    keeper = StdinKeeper(path)
    try:
        return FifoWriter(os.dup(keeper.fd))
    finally:
        keeper.close()


async def test_bytes_and_the_end(fifo: str) -> None:
    """More than a FIFO holds goes through, and the end is the end."""
    reader = FifoReader(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))
    writer = writer_of(fifo)
    data = os.urandom(5 << 20)
    writing = asyncio.create_task(writer.write(data))
    received = b""
    while len(received) < len(data):
        received += await reader.read()
    await writing
    assert received == data
    writer.close()
    assert await asyncio.wait_for(reader.read(), 20) == b""
    reader.close()


async def test_no_writer_yet_is_not_the_end(fifo: str) -> None:
    """A reader waits for the first writer."""
    reader = FifoReader(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))
    reading = asyncio.create_task(reader.read())
    done, _ = await asyncio.wait({reading}, timeout=0.1)
    assert not done
    assert reader.idle_since is not None
    writer = writer_of(fifo)
    await writer.write(b"x")
    assert await asyncio.wait_for(reading, 20) == b"x"
    reader.close()
    writer.close()


async def test_a_writer_waits_for_its_reader(fifo: str) -> None:
    """Output from before the first reader is not lost."""
    writer = writer_of(fifo)
    waiting = asyncio.create_task(writer.wait_reader())
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    fd = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    await asyncio.wait_for(waiting, 20)
    await writer.write(b"heard")
    assert os.read(fd, 10) == b"heard"
    os.close(fd)
    with pytest.raises(BrokenPipeError):
        await writer.write(b"x")
    writer.close()
