"""How late the event loop is."""

from __future__ import annotations

import asyncio
import math
import time
from types import SimpleNamespace

import pytest

from cri_shim.telemetry import loop_lag
from cri_shim.telemetry.loop_lag import EVERY, LoopLag
from cri_shim.tuning import ticks
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]


async def test_a_blocked_loop_is_seen(virtual_time, monkeypatch) -> None:
    """A loop that stands still until half a second after a whole one is late by that, and the greatest lag stays."""
    for module in (loop_lag, ticks):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=virtual_time.perf_counter))
    virtual_time.sleep(math.ceil(virtual_time.now) + EVERY / 2 - virtual_time.now)
    lag = LoopLag()
    looking = asyncio.create_task(lag.run())
    await asyncio.sleep(2 * EVERY)
    assert lag.samples == 2
    assert lag.greatest == pytest.approx(0, abs=0.002)
    virtual_time.sleep(EVERY)
    await asyncio.sleep(EVERY / 4)
    looking.cancel()
    assert lag.samples == 3
    assert lag.last == pytest.approx(0.5, abs=0.002)
    assert lag.recent == lag.greatest == lag.last
    assert lag.total >= lag.greatest


async def test_a_loop_that_is_in_time_has_no_lag(virtual_time, monkeypatch) -> None:
    """Whatever part of a millisecond is cut off in favour of other sleepers."""
    for module in (loop_lag, ticks):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=virtual_time.perf_counter))
    virtual_time.sleep(math.ceil(virtual_time.now) + 0.0007 - virtual_time.now)
    lag = LoopLag()
    looking = asyncio.create_task(lag.run())
    await asyncio.sleep(3.5 * EVERY)
    looking.cancel()
    assert lag.samples == 3
    assert lag.greatest < 0.0001


async def test_an_old_lag_is_no_recent_one(monkeypatch) -> None:
    """After a minute it is only the greatest of all."""
    lag = LoopLag()
    lag.note(0.7)
    lag.note(0.1)
    assert (lag.last, lag.recent) == (0.1, 0.7)
    later = time.monotonic() + 61
    monkeypatch.setattr(loop_lag, "time", SimpleNamespace(monotonic=lambda: later))
    assert (lag.recent, lag.greatest) == (0.0, 0.7)
