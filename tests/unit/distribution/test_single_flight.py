"""A single flight: one does the work for all, and it ends with the last who wants it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import partial

import pytest

from containerd_client.distribution.single_flight import SingleFlight, all_or_none


async def run_ready_tasks():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_does_it_for_all():
    """Ten callers, one run, one leader, the same result."""
    single_flight: SingleFlight[object] = SingleFlight()
    runs, gate = [], asyncio.Event()

    async def work():
        runs.append(1)
        await gate.wait()
        return object()

    callers = [asyncio.create_task(single_flight.run("k", work)) for _ in range(10)]
    await run_ready_tasks()
    gate.set()
    outcomes = await asyncio.gather(*callers)
    assert len(runs) == 1
    assert len({id(result) for result, _ in outcomes}) == 1
    assert sum(led for _, led in outcomes) == 1
    assert len(single_flight) == 0


async def test_a_failure_reaches_all_and_the_next_begins_anew():
    """Nobody gets a stale failure."""
    single_flight: SingleFlight[object] = SingleFlight()

    async def fail():
        await asyncio.sleep(0)
        raise OSError("no")

    outcomes = await asyncio.gather(*(single_flight.run("k", fail) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OSError] * 3

    async def succeed():
        return 1

    assert await single_flight.run("k", succeed) == (1, True)


async def test_those_who_come_along_wait_inside_their_own_block_however_it_ends():
    """Not the one who leads."""
    single_flight: SingleFlight[object] = SingleFlight()
    ended = []

    @contextmanager
    def joined(name):
        try:
            yield
        finally:
            ended.append(name)

    async def fail():
        await asyncio.sleep(0.01)
        raise OSError("no")

    names = ("first", "second", "third")
    await asyncio.gather(
        *(single_flight.run("k", fail, partial(joined, name)) for name in names), return_exceptions=True
    )
    assert ended == ["second", "third"]


async def test_one_who_leaves_does_not_end_it_for_the_others():
    """The leader's cancellation leaves the work in the air for whoever is aboard."""
    single_flight: SingleFlight[str] = SingleFlight()
    gate, ended = asyncio.Event(), []

    async def work():
        try:
            await gate.wait()
            return "done"
        finally:
            ended.append(1)

    leader = asyncio.create_task(single_flight.run("k", work))
    await run_ready_tasks()
    other = asyncio.create_task(single_flight.run("k", work))
    await run_ready_tasks()
    leader.cancel()
    await asyncio.wait([leader])
    assert leader.cancelled()
    assert not ended
    gate.set()
    assert await other == ("done", False)


async def test_the_last_to_leave_waits_for_the_clean_up():
    """When the last caller is cancelled the work is too, and has cleaned up when that caller ends."""
    single_flight: SingleFlight[None] = SingleFlight()
    steps = []

    async def work():
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            steps.append("clean")

    caller = asyncio.create_task(single_flight.run("k", work))
    await run_ready_tasks()
    caller.cancel()
    await asyncio.wait([caller])
    steps.append("left")
    assert caller.cancelled()
    assert steps == ["clean", "left"]
    assert len(single_flight) == 0


async def test_who_comes_during_the_clean_up_begins_anew_after_it():
    """Two runs of the same key never overlap, not even with the clean-up of a cancelled one."""
    single_flight: SingleFlight[object] = SingleFlight()
    steps, cleaning = [], asyncio.Event()

    async def slow():
        try:
            await asyncio.sleep(60)
        finally:
            cleaning.set()
            await asyncio.sleep(0.01)
            steps.append("clean")

    async def quick():
        steps.append("quick")
        return 2

    first = asyncio.create_task(single_flight.run("k", slow))
    await run_ready_tasks()
    first.cancel()
    await cleaning.wait()
    assert await single_flight.run("k", quick) == (2, True)
    assert steps == ["clean", "quick"]


async def test_all_or_none_raises_the_failure_alone():
    """The others are cancelled and waited for; no group is raised."""
    steps = []

    async def slow():
        try:
            await asyncio.sleep(60)
        finally:
            steps.append("cut")

    async def fail():
        await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError):
        await all_or_none(slow(), fail())
    assert steps == ["cut"]
