"""Turns: a few at a time while the cores are busy, in order, and never for ever behind one that hangs."""

from __future__ import annotations

import asyncio

from cri_shim.timeline import Timeline, current_request
from cri_shim.tuning.admission import IDLE, PERIOD, STILL, AdmissionLimiter, idle_seconds
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]


class FakeCores:
    """Cores that have nothing to do for a share of the time."""

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() * self.share


class Visitors:
    """Some who want a turn each, and who stay until they are told to go."""

    def __init__(self, limiter: AdmissionLimiter) -> None:
        self.limiter = limiter
        self.inside: list[int] = []
        self.most = 0
        self.go = asyncio.Event()

    async def visit(self, number: int) -> None:
        async with self.limiter.slot():
            self.inside.append(number)
            self.most = max(self.most, len(self.inside))
            await self.go.wait()
            await asyncio.sleep(0)
            self.inside.remove(number)

    def all(self, count: int) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.visit(number)) for number in range(count)]


async def test_busy_cores_let_in_no_more_than_the_width():
    """Ten come, three are in at any time, and all get their turn, in order."""
    visitors = Visitors(AdmissionLimiter(3, FakeCores(0.0)))
    tasks = visitors.all(10)
    await asyncio.sleep(2.5 * PERIOD)
    assert visitors.inside == [0, 1, 2]
    visitors.go.set()
    await asyncio.gather(*tasks)
    assert visitors.most == 3


async def test_idle_cores_let_in_more():
    """When all who are inside wait for something, the others need not wait for them."""
    visitors = Visitors(AdmissionLimiter(2, FakeCores(IDLE + 0.05)))
    tasks = visitors.all(5)
    async with asyncio.timeout(5):
        while len(visitors.inside) < 5:
            await asyncio.sleep(PERIOD / 4)
    assert visitors.inside == [0, 1, 2, 3, 4]
    visitors.go.set()
    await asyncio.gather(*tasks)


async def test_none_waits_for_ever_behind_some_that_hang():
    """On a busy node further operations are still admitted, though later, when none has ended for a while."""
    visitors = Visitors(AdmissionLimiter(2, FakeCores(0.0)))
    tasks = visitors.all(5)
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(10 * STILL):
        while len(visitors.inside) < 5:
            await asyncio.sleep(PERIOD / 4)
    assert asyncio.get_running_loop().time() - began >= 2 * STILL  # two at a time
    assert visitors.inside == [0, 1, 2, 3, 4]
    visitors.go.set()
    await asyncio.gather(*tasks)


async def test_who_waits_says_so():
    """The wait is on the bill of the request that waited, and on no other."""
    limiter = AdmissionLimiter(1, FakeCores(0.0))

    async def request() -> Timeline:
        timeline = Timeline()
        current_request.set(timeline)
        async with limiter.slot():
            await asyncio.sleep(0.02)
        return timeline

    first, second = await asyncio.gather(request(), request())
    assert first.waits is None
    assert second.waits is not None
    (wait,) = second.waits
    assert wait.name == "turn"
    assert wait.duration > 0.01  # half of what the first request holds the slot


async def test_a_cancelled_visitor_takes_no_slot():
    """Cancelled while waiting, at the moment of being let in, or inside: the next one comes in all the same."""
    limiter = AdmissionLimiter(1, FakeCores(0.0))
    visitors = Visitors(limiter)
    tasks = visitors.all(4)
    await asyncio.sleep(0)
    tasks[1].cancel()  # waits
    await asyncio.sleep(0)
    tasks[0].cancel()  # inside; its end lets the next one in ...
    await asyncio.sleep(0)
    tasks[2].cancel()  # ... which is cancelled before it knows
    visitors.go.set()
    async with asyncio.timeout(5):
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in ended] == [True, True, True, False]
    async with asyncio.timeout(1), limiter.slot():  # and the place is free
        pass


def test_idle_seconds_are_those_of_the_machine():
    """They go up, and not faster than time."""
    before = idle_seconds()
    assert 0 < before <= idle_seconds()
