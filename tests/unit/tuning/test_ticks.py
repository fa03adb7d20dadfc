"""What happens once a second happens at whole seconds of one clock."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from cri_shim.tuning import ticks
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]


async def test_sleepers_that_began_at_different_times_wake_up_together(virtual_time, monkeypatch):
    """Each gets the whole second to which it slept, and both get the same."""
    monkeypatch.setattr(ticks, "time", SimpleNamespace(monotonic=virtual_time.perf_counter))
    first = asyncio.create_task(ticks.next_tick())
    await asyncio.sleep(0)
    virtual_time.sleep(0.001)
    seconds = await asyncio.gather(first, ticks.next_tick())
    assert seconds[0] == seconds[1] == int(seconds[0])
    assert virtual_time.now == pytest.approx(seconds[0], abs=0.003)


async def test_the_next_second_is_a_later_one(virtual_time, monkeypatch):
    """One that sleeps again and again wakes up once in each second."""
    monkeypatch.setattr(ticks, "time", SimpleNamespace(monotonic=virtual_time.perf_counter))
    seconds = [await ticks.next_tick() for _ in range(5)]
    assert seconds == [seconds[0] + number for number in range(5)]
