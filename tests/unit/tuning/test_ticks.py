"""What happens once a second happens at whole seconds of one clock."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from cri_shim.tuning import ticks
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]


async def test_sleepers_that_began_at_different_times_wake_up_together(virtual_time, monkeypatch):
    """At a whole second, give or take what is cut off; each gets when it was due."""
    monkeypatch.setattr(ticks, "time", SimpleNamespace(monotonic=virtual_time.perf_counter))
    first = asyncio.create_task(ticks.next_tick())
    await asyncio.sleep(0)
    virtual_time.sleep(0.001)
    seconds = await asyncio.gather(first, ticks.next_tick())
    assert int(seconds[0]) == int(seconds[1])
    assert seconds == pytest.approx([int(second) for second in seconds], abs=0.001)
    assert virtual_time.now == pytest.approx(seconds[0], abs=0.003)


async def test_the_next_second_is_a_later_one(virtual_time, monkeypatch):
    """One that sleeps again and again wakes up once in each second."""
    monkeypatch.setattr(ticks, "time", SimpleNamespace(monotonic=virtual_time.perf_counter))
    seconds = [await ticks.next_tick() for _ in range(5)]
    assert [int(second) for second in seconds] == [int(seconds[0]) + number for number in range(5)]
