"""Awaiting a thread to its end."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cri_shim.kernel import executors
from tests.unit.waiting import until


async def test_result_and_error_come_back() -> None:
    """A call's result is returned and its exception raised."""
    assert await executors.run(executors.FS, divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await executors.run(executors.FS, divmod, 7, 0)


async def test_context_is_visible_in_the_thread() -> None:
    """Context variables (log fields, spans) reach the thread."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("here")
    assert await executors.run(executors.FS, variable.get) == "here"


@pytest.mark.parametrize("cancels", [1, 3])
async def test_cancel_waits_for_the_thread(cancels: int) -> None:
    """However often the caller is cancelled, it ends after the thread did, and as cancelled."""
    begun, release, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        release.wait(100)
        ended.set()

    task = asyncio.create_task(executors.run(executors.FS, work))
    await until(begun.is_set)
    for _ in range(cancels):
        task.cancel()
        await asyncio.sleep(0.02)
        assert not task.done()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_cancel_drops_what_has_not_started() -> None:
    """A call still queued behind others is never made."""
    made: list[int] = []
    release = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = asyncio.create_task(executors.run(pool, release.wait, 100))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(executors.run(pool, made.append, 1))
        await asyncio.sleep(0.01)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        release.set()
        await first
    assert made == []


async def test_error_after_cancel_is_not_reported_as_lost(caplog: pytest.LogCaptureFixture) -> None:
    """The thread's exception is dropped quietly when the caller is gone."""

    begun, release = threading.Event(), threading.Event()

    def fail() -> None:
        begun.set()
        release.wait(100)
        raise KeyError

    task = asyncio.create_task(executors.run(executors.FS, fail))
    await until(begun.is_set)
    task.cancel()
    await asyncio.sleep(0)
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    assert "never retrieved" not in caplog.text
