"""How late the event loop is."""

from __future__ import annotations

import asyncio
import time

from cri_shim.telemetry.loop_lag import EVERY, LoopLag


async def test_a_blocked_loop_is_seen() -> None:
    """A loop that stands still for half a second is late by at least a part of that, and the greatest lag stays."""
    lag = LoopLag()
    looking = asyncio.create_task(lag.run())
    await asyncio.sleep(2 * EVERY)
    before = lag.greatest
    time.sleep(EVERY + 0.5)
    while lag.greatest == before:
        await asyncio.sleep(0.01)
    looking.cancel()
    assert lag.greatest >= 0.4
    assert lag.recent == lag.greatest
    assert lag.samples >= 2
    assert lag.total >= lag.greatest


def test_an_old_lag_is_no_recent_one(monkeypatch) -> None:
    """After a minute it is only the greatest of all."""
    lag = LoopLag()
    lag.note(0.7)
    lag.note(0.1)
    assert (lag.last, lag.recent) == (0.1, 0.7)
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert (lag.recent, lag.greatest) == (0.0, 0.7)
