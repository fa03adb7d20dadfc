"""Operations outlive their request, are joined by a retry, and end at shutdown."""

from __future__ import annotations

import asyncio

import pytest

from cri_shim.concurrency.guard import answered
from cri_shim.concurrency.operations import Operations
from cri_shim.errors import UnavailableError


async def test_work_goes_on_when_the_caller_is_cancelled():
    """A kubelet that hangs up does not cut a mutation."""
    operations, done, gate = Operations(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await gate.wait()
        done.set()

    caller = asyncio.create_task(operations.run("run/a", work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    gate.set()
    await asyncio.wait_for(done.wait(), 20)


async def test_a_retry_joins_and_gets_the_same_result():
    """Two callers with one key make the thing once."""
    operations, calls, gate = Operations(), [], asyncio.Event()

    async def work() -> str:
        calls.append(1)
        await gate.wait()
        return "id"

    both = [asyncio.create_task(operations.run("run/a", work)) for _ in range(2)]
    await asyncio.sleep(0.01)
    assert len(operations) == 1
    gate.set()
    assert await asyncio.gather(*both) == ["id", "id"]
    assert calls == [1]
    assert len(operations) == 0


async def test_drain_cancels_what_is_late_and_refuses_what_is_new():
    """After the grace period running operations are undone, and their callers get an error."""
    operations, undone = Operations(), []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            undone.append(1)

    caller = asyncio.create_task(answered(operations.run("run/a", work)))
    await asyncio.sleep(0.01)
    await operations.drain(0.01, 5)
    assert undone == [1]
    with pytest.raises(UnavailableError, match="shutting down"):
        await caller
    with pytest.raises(UnavailableError, match="run/b was not begun"):
        await operations.run("run/b", work)


async def test_the_guard_lets_a_true_cancellation_through():
    """A handler whose own task is cancelled ends as cancelled, because grpc expects that."""
    task = asyncio.create_task(answered(asyncio.sleep(60)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_clearing_up_may_begin_while_draining_and_is_waited_for():
    """What ends at shutdown leaves nothing behind: what it begins is not refused, and has the rest of the grace."""
    operations, cleared = Operations(), []

    async def clear() -> None:
        await asyncio.sleep(0.05)
        cleared.append(1)

    async def work() -> None:
        await asyncio.sleep(0.05)
        operations.begin("end/a", clear)

    caller = asyncio.create_task(operations.run("run/a", work))
    await asyncio.sleep(0)
    await operations.drain(5, 5)
    await caller
    assert cleared == [1]
    assert len(operations) == 0


async def test_wait_idle_waits_for_the_end_whatever_it_is():
    """``wait_idle`` does not report how the operation ended, and afterwards there is nothing to wait for."""
    operations, gate = Operations(), asyncio.Event()

    async def work() -> None:
        await gate.wait()
        raise RuntimeError("it failed")

    task = operations.begin("start/a", work)
    waiting = asyncio.create_task(operations.wait_idle("start/a"))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    gate.set()
    await asyncio.wait_for(waiting, 20)
    assert isinstance(task.exception(), RuntimeError)
    await asyncio.wait_for(operations.wait_idle("start/a"), 20)
    assert len(operations) == 0


async def test_an_undo_that_takes_too_long_is_left():
    """Shutdown is not held up for ever by what waits for a helper program."""
    operations = Operations()

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(60)

    call = asyncio.create_task(operations.run("run/a", work))
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await operations.drain(0.01, 0.01)
    call.cancel()
