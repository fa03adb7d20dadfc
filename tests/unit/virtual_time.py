"""Time that passes only while a test sleeps, so that a slow machine changes no measurement.

A test module takes it by importing its fixture: ``from tests.unit.virtual_time import virtual_time``. The event
loop does not wait: where only timers are left, its clock moves to the next one. ``time.perf_counter``, ``time.time``
and ``time.sleep`` follow that clock, and so computing takes no time at all.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from cri_shim.ledger import null_call
from cri_shim.ledger.transport import gap_curve


class VirtualTime:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = time.perf_counter()
        self._since_the_epoch = time.time() - self.now

    def perf_counter(self) -> float:
        """Return the seconds of every clock but the calendar."""
        return self.now

    def time(self) -> float:
        """Return the seconds since the epoch."""
        return self._since_the_epoch + self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture(autouse=True)
async def virtual_time(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """Run the tests of a module in virtual time."""
    clock = VirtualTime()
    loop: Any = asyncio.get_running_loop()
    ready = loop._selector.select

    def select(timeout: float | None = None) -> Any:
        """Return what is ready now; where nothing is, let the time pass that the loop would wait."""
        if timeout is None:
            return ready(None)
        events = ready(0)
        if not events:
            clock.sleep(max(0.0, timeout))
        return events

    monkeypatch.setattr(loop, "time", clock.perf_counter)
    monkeypatch.setattr(loop._selector, "select", select)
    for name in ("perf_counter", "time", "sleep"):
        monkeypatch.setattr(time, name, getattr(clock, name))
    for module in (null_call, gap_curve):
        monkeypatch.setattr(module, "perf_counter", clock.perf_counter)
    return clock
