"""Whose bytes go next."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

from containerd_client.distribution.chunk_queue import ChunkQueue


@asynccontextmanager
async def chunk_of(queue, rank):
    """Wait for a turn, and have it for the block."""
    await queue.wait(rank)
    try:
        yield
    finally:
        queue.end(rank)


async def test_lowest_rank_first():
    """Of those who wait, the lowest rank; of equals, who came first."""
    queue = ChunkQueue()
    order = []

    async def one(rank, name):
        async with chunk_of(queue, rank):
            order.append(name)
        queue.leave(rank)

    async with chunk_of(queue, 9):
        asking = [asyncio.create_task(one(rank, name)) for rank, name in ((2, "c"), (1, "a"), (1, "b"))]
        await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(*asking), 20)
    assert order == ["a", "b", "c"]


async def test_the_low_one_is_expected_back():
    """A low rank that asks again soon keeps a high one waiting; when it stays away, the high one goes."""
    queue = ChunkQueue()
    order = []

    async def high():
        async with chunk_of(queue, 5):
            order.append("high")

    async with chunk_of(queue, 1):
        asking = asyncio.create_task(high())
        await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    async with chunk_of(queue, 1):
        order.append("low")
    await asyncio.wait_for(asking, 20)
    assert order == ["low", "high"]


async def test_cancelled_waiters_do_not_block():
    """A turn that comes to somebody who is gone goes on to the next."""
    queue = ChunkQueue()

    async def hold(rank):
        async with chunk_of(queue, rank):
            await asyncio.sleep(0)

    async with chunk_of(queue, 3):
        gone, stays = (asyncio.create_task(hold(rank)) for rank in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
    given = asyncio.create_task(hold(0))
    await asyncio.sleep(0)
    given.cancel()
    await asyncio.wait_for(stays, 20)
    await asyncio.wait({gone, given})
    async with asyncio.timeout(20), chunk_of(queue, 9):
        pass


async def test_cancelled_in_the_instant_of_its_chunk():
    """A turn given to somebody who is cancelled before he wakes up is not lost."""
    queue = ChunkQueue()

    async def hold():
        async with chunk_of(queue, 1):
            await asyncio.sleep(0)

    async with chunk_of(queue, 1):
        one = asyncio.create_task(hold())
        await asyncio.sleep(0)
    one.cancel()
    await asyncio.wait({one})
    assert one.cancelled()
    async with asyncio.timeout(20), chunk_of(queue, 7):
        pass
