"""Undo runs last to first, on its own budget, and says so when it could not."""

from __future__ import annotations

import asyncio

import pytest

from cri_shim.concurrency.overlap import every, overlap
from cri_shim.concurrency.rollback import Rollback


def _recording(log: list[str], name: str, error: Exception | None = None):
    async def undo() -> None:
        log.append(name)
        if error is not None:
            raise error

    return undo


async def test_success_undoes_nothing():
    """Leaving without an exception keeps everything."""
    log: list[str] = []
    async with Rollback("x", on_incomplete=log.append) as undo:
        undo.push("a", _recording(log, "a"))
    assert log == []


async def test_failure_undoes_in_reverse():
    """What was acquired last is given back first; the failure itself is what the caller sees."""
    log: list[str] = []
    with pytest.raises(ValueError, match="boom"):
        async with Rollback("x", on_incomplete=log.append) as undo:
            undo.push("a", _recording(log, "a"))
            undo.push("b", _recording(log, "b"))
            raise ValueError("boom")
    assert log == ["b", "a"]


async def test_a_failed_step_ends_the_undo_and_is_reported():
    """What could not be undone may still use what was acquired before it, so that stays and is named."""
    log: list[str] = []
    undone: list[str] = []
    with pytest.raises(ValueError, match="boom"):
        async with Rollback("x", on_incomplete=undone.append) as undo:
            undo.push("release the name", _recording(log, "a"))
            undo.push("tear down the network", _recording(log, "b", OSError("plugin says no")))
            raise ValueError("boom")
    assert log == ["b"]
    assert undone == ["tear down the network: plugin says no"]


async def test_a_step_that_hangs_is_cut_by_the_budget():
    """Undo may not take for ever: the budget ends it and the thing stays listed."""
    undone: list[str] = []
    with pytest.raises(ValueError, match="boom"):
        async with Rollback("x", on_incomplete=undone.append, budget=0.05) as undo:
            undo.push("hang", lambda: asyncio.sleep(60))
            raise ValueError("boom")
    assert len(undone) == 1
    assert undone[0].startswith("hang: ")


async def test_undo_runs_when_the_operation_is_cancelled():
    """At shutdown an operation is cancelled; it still gives back what it took."""
    log: list[str] = []

    async def operation() -> None:
        async with Rollback("x", on_incomplete=log.append) as undo:
            undo.push("a", _recording(log, "a"))
            await asyncio.sleep(60)

    task = asyncio.create_task(operation())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["a"]


async def test_overlap_awaits_the_steady_step_when_the_other_fails():
    """The steady step is never cut in the middle, however the other one ends."""
    ended: list[str] = []

    async def steady() -> str:
        await asyncio.sleep(0.02)
        ended.append("steady")
        return "a"

    async def failing() -> None:
        raise ValueError("no network")

    with pytest.raises(ValueError, match="no network"):
        await overlap(steady(), failing())
    assert ended == ["steady"]


async def test_overlap_stops_the_abortable_step_when_the_steady_one_fails():
    """Nothing is left running once overlap has raised."""
    ended: list[str] = []

    async def steady() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("no task")

    async def abortable() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("stopped")

    with pytest.raises(ValueError, match="no task"):
        await overlap(steady(), abortable())
    assert ended == ["stopped"]


async def test_every_runs_all_steps_to_their_ends_before_it_raises():
    """One failure neither hides nor cuts the others."""
    ended: list[str] = []

    async def slow() -> None:
        await asyncio.sleep(0.01)
        ended.append("slow")

    async def failing() -> None:
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        await every(failing(), slow())
    assert ended == ["slow"]
