"""Bytes from a registry on into containerd, a message at a time and in turn."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from containerd_client.distribution import blob_copy
from containerd_client.distribution.blob_copy import BlobCopy
from containerd_client.distribution.chunk_queue import ChunkQueue
from containerd_client.distribution.progress import Progress
from containerd_client.distribution.values.errors import CorruptBlobError, TransferError
from containerd_client.distribution.values.manifest import Descriptor


class FakeWriter:
    """An ingest in memory, which takes messages only while its gate is open."""

    def __init__(self):
        self.offset, self.messages = 0, []
        self.gate = asyncio.Event()
        self.gate.set()

    def packed(self, pieces):
        message = b"".join(pieces)
        pieces.clear()
        return message

    async def send(self, message, size):
        await self.gate.wait()
        assert len(message) == size
        self.messages.append(message)
        self.offset += size

    async def flush(self):
        await self.gate.wait()


@pytest.fixture
def writer(monkeypatch):
    monkeypatch.setattr(blob_copy, "MESSAGE", 10)
    return FakeWriter()


def copy_of(writer, queue, size=25, rank=0):
    blob = Descriptor("application/octet-stream", "sha256:" + "0" * 64, size)
    return BlobCopy(blob, cast("Any", writer), Progress("blob", 0), queue, rank)


async def chunks(*sizes, then=None):
    for size in sizes:
        yield bytes(size)
        await asyncio.sleep(0)
    if then is not None:
        raise then


async def test_small_chunks_become_messages(writer):
    """A message is sent when it is full, and the rest at the end."""
    await copy_of(writer, ChunkQueue()).run(chunks(*[4] * 6, 1))
    assert [len(message) for message in writer.messages] == [12, 12, 1]


async def test_what_came_before_a_break_is_kept(writer):
    """The next connection goes on behind it."""
    with pytest.raises(TransferError):
        await copy_of(writer, ChunkQueue()).run(chunks(10, 3, then=TransferError("broken")))
    assert [len(message) for message in writer.messages] == [10, 3]


async def test_more_than_was_promised_is_refused(writer):
    """What is too much is not written."""
    with pytest.raises(CorruptBlobError):
        await copy_of(writer, ChunkQueue(), size=12).run(chunks(10, 3))
    assert writer.offset <= 12


async def test_a_copy_that_waits_for_its_chunk_reads_no_further(writer):
    """Memory holds one message of a blob whose turn it is not."""
    queue, read = ChunkQueue(), []

    async def counted():
        async for chunk in chunks(*[10] * 5):
            read.append(len(chunk))
            yield chunk

    await queue.wait(0)
    waiting = asyncio.create_task(copy_of(writer, queue, size=50, rank=1).run(counted()))
    for _ in range(20):
        await asyncio.sleep(0)
    assert read == [10]
    queue.end(0)
    queue.leave(0)
    await asyncio.wait_for(waiting, 20)
    assert writer.offset == 50


@pytest.mark.parametrize("steps", range(8))
async def test_cancelled_at_any_moment_it_gives_its_place_back(writer, steps):
    """Before its message has begun to be sent, too; the next one is not kept waiting."""
    queue = ChunkQueue()
    writer.gate.clear()
    copying = asyncio.create_task(copy_of(writer, queue).run(chunks(10, 10, 5)))
    for _ in range(steps):
        await asyncio.sleep(0)
    copying.cancel()
    await asyncio.wait({copying})
    assert copying.cancelled()
    async with asyncio.timeout(20):
        await queue.wait(9)
