"""Semaphores by key: a few at a time, each id for itself."""

from __future__ import annotations

import asyncio

from cri_shim.concurrency.keyed_semaphores import KeyedSemaphores


async def test_no_more_than_its_width_are_inside():
    """Ten want in, three are in at any time, and all get their turn."""
    semaphores = KeyedSemaphores(3)
    inside = most = done = 0

    async def visit() -> None:
        nonlocal inside, most, done
        async with semaphores.of("pod"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1
            done += 1

    await asyncio.gather(*(visit() for _ in range(10)))
    assert (most, done) == (3, 10)


async def test_ids_do_not_wait_for_each_other_and_are_forgotten():
    """Another pod's gate is open, and nothing stays behind."""
    semaphores = KeyedSemaphores(1)
    async with semaphores.of("one"):
        async with asyncio.timeout(20), semaphores.of("two"):
            pass
        assert list(semaphores._semaphores) == ["one"]
    assert list(semaphores._semaphores) == []
