"""CPU time of coroutines, told apart from their waiting and from that of others."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from cri_shim.concurrency.operations import Operations
from cri_shim.concurrency.overlap import both, every, overlap
from cri_shim.kernel.executors import FS, run
from cri_shim.metered import Metered, metered
from cri_shim.timeline import Timeline, awaited, current_request

SPENT = 0.03
"""Seconds of CPU time that a burner takes."""


def burn(seconds: float = SPENT) -> None:
    """Take CPU time of this thread."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def burn_in_steps(steps: int) -> str:
    """Take it in several steps, and wait in between."""
    for _ in range(steps):
        burn(SPENT / steps)
        await asyncio.sleep(0.002)
    return "done"


async def test_steps_are_counted_and_waits_are_not():
    """The result passes through."""
    timeline = Timeline()
    assert await Metered(burn_in_steps(3), timeline) == "done"
    assert SPENT <= timeline.cpu < SPENT * 1.5
    assert timeline.exposed_cpu == timeline.cpu


async def test_requests_side_by_side_are_counted_each_by_itself():
    """Thirty at once share the loop; each is charged for its own steps."""
    timelines = [Timeline() for _ in range(30)]
    share = SPENT / 10

    async def work() -> None:
        for _ in range(3):
            burn(share / 3)
            await asyncio.sleep(0)

    await asyncio.gather(*(Metered(work(), timeline) for timeline in timelines))
    for timeline in timelines:
        assert share <= timeline.cpu < share * 3


async def test_what_is_spent_beside_a_hop_is_not_exposed():
    """A hop in flight covers it: it is no part of own work."""
    timeline = Timeline()

    async def work() -> None:
        burn()
        timeline.count_cpu()
        timeline.beside += 1
        burn()
        await asyncio.sleep(0)
        burn()
        timeline.count_cpu()
        timeline.beside -= 1
        burn()

    await Metered(work(), timeline)
    assert timeline.cpu == pytest.approx(4 * SPENT, rel=0.3)
    assert timeline.exposed_cpu == pytest.approx(2 * SPENT, rel=0.3)


async def test_what_is_spent_beside_a_wait_is_not_exposed():
    """Reading a command's output while its end is waited for is part of that wait, not of own work."""
    timeline = Timeline()

    async def work() -> None:
        current_request.set(timeline)
        burn()
        with awaited("output"):
            burn()
            await asyncio.sleep(0)
            burn()
        burn()

    await asyncio.create_task(Metered(work(), timeline))
    assert timeline.cpu == pytest.approx(4 * SPENT, rel=0.3)
    assert timeline.exposed_cpu == pytest.approx(2 * SPENT, rel=0.3)
    assert timeline.beside == 0


async def test_a_step_after_a_failure_is_counted():
    """What was waited for has failed, and the request goes on: a record that is not there is an answer, too."""
    timeline = Timeline()

    async def work() -> None:
        failing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failing.get_loop().call_soon(failing.set_exception, ValueError("no"))
        with contextlib.suppress(ValueError):
            await failing
        burn()

    await asyncio.create_task(Metered(work(), timeline))
    assert timeline.cpu >= SPENT
    assert timeline.mark < 0.0


async def test_tasks_of_a_request_are_counted_for_it():
    """A task that is begun on its behalf, and the threads it has work done in."""
    timeline = Timeline()

    async def request() -> None:
        current_request.set(timeline)
        await asyncio.create_task(metered(burn_in_steps(2)))
        await run(FS, burn)

    await asyncio.create_task(request())
    assert timeline.cpu == pytest.approx(2 * SPENT, rel=0.3)


async def test_nothing_is_counted_after_the_answer():
    """What goes on in the background costs no request anything."""
    timeline = Timeline()

    async def work() -> None:
        burn()
        timeline.count_cpu()
        timeline.ended = True
        burn()
        await asyncio.sleep(0)
        burn()

    await Metered(work(), timeline)
    assert timeline.cpu == pytest.approx(SPENT, rel=0.3)


async def test_an_error_and_a_cancellation_pass_through():
    """And the coroutine may catch them."""
    timeline = Timeline()

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Metered(fail(), timeline)

    async def stubborn() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "caught"
        return "slept"

    task: asyncio.Task[str] = asyncio.create_task(Metered(stubborn(), timeline))
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "caught"
    assert timeline.mark < 0.0


async def test_without_a_request_nothing_is_metered():
    """And nothing is paid for."""
    work = burn_in_steps(1)
    assert metered(work) is work
    assert await work == "done"


async def test_the_steps_of_a_pod_start_are_counted_wherever_they_run():
    """Operations and overlapping steps run in tasks of their own."""
    timeline = Timeline()

    async def start() -> None:
        await overlap(burn_in_steps(1), burn_in_steps(1))
        await both(burn_in_steps(1), burn_in_steps(1))
        await every(burn_in_steps(1))

    async def request() -> None:
        current_request.set(timeline)
        await Operations().run("run/name", start)

    await asyncio.create_task(request())
    assert timeline.cpu == pytest.approx(5 * SPENT, rel=0.3)


async def test_a_task_is_named_by_its_coroutine():
    """In what asyncio says of it: that it was never awaited, or took too long."""
    work = burn_in_steps(1)
    task: asyncio.Task[str] = asyncio.create_task(Metered(work, Timeline()))
    assert "burn_in_steps" in repr(task)
    assert "Metered" not in repr(task)
    await task
