"""How late the event loop is."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from cri_shim.telemetry import loop_lag
from cri_shim.telemetry.loop_lag import EVERY, LoopLag
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]


async def test_a_blocked_loop_is_seen(virtual_time, monkeypatch) -> None:
    """A loop that stands still for half a second is late by that, and the greatest lag stays."""
    monkeypatch.setattr(loop_lag, "time", SimpleNamespace(monotonic=virtual_time.perf_counter))
    lag = LoopLag()
    looking = asyncio.create_task(lag.run())
    await asyncio.sleep(2.5 * EVERY)
    assert lag.samples == 2
    assert lag.greatest == pytest.approx(0)
    virtual_time.sleep(EVERY / 2 + 0.5)
    await asyncio.sleep(EVERY / 2)
    looking.cancel()
    assert lag.samples == 3
    assert lag.last == pytest.approx(0.5)
    assert lag.recent == lag.greatest == lag.last
    assert lag.total >= lag.greatest


async def test_an_old_lag_is_no_recent_one(monkeypatch) -> None:
    """After a minute it is only the greatest of all."""
    lag = LoopLag()
    lag.note(0.7)
    lag.note(0.1)
    assert (lag.last, lag.recent) == (0.1, 0.7)
    later = time.monotonic() + 61
    monkeypatch.setattr(loop_lag, "time", SimpleNamespace(monotonic=lambda: later))
    assert (lag.recent, lag.greatest) == (0.0, 0.7)
