"""Admit a few operations at a time while the cores are busy, in order of arrival.

Starting a hundred pods at once does not finish them sooner: they take each other's time and locks, and the first of
them runs only when the last does. That holds while the admitted ones compute. When cores are idle because those wait
for a network plugin, more are admitted. On a busy node more are also admitted when none has ended for a while, because
one that hangs may wait for what the next in line would start, for instance the network's own pod.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.timeline import awaited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PERIOD = 0.1
"""Seconds between two checks of the cores while an operation waits."""
IDLE = 0.25
"""The idle share of the cores' time from which on more are admitted."""
STILL = 1.0
"""Seconds without any operation beginning or ending after which more are admitted, however busy the cores are."""
OF_EACH_CORE = 2


def width_for(cores: int) -> int:
    """Return how many at a time suit a machine: enough that one can wait for the kernel while another computes."""
    return OF_EACH_CORE * cores


def idle_seconds() -> float:
    """Return the seconds since boot for which cores were idle, as the mean of all cores (proc(5), uptime)."""
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[1]) / (os.cpu_count() or 1)


class AdmissionLimiter:
    """``async with limiter.slot():`` admits ``width`` at the same time, and more while cores are idle."""

    def __init__(self, width: int, idle: Callable[[], float] = idle_seconds) -> None:
        self._width = width
        self._idle = idle
        self._inside = 0
        self._moved = 0.0
        """When an operation last began or ended, by the loop's clock."""
        self._line: deque[asyncio.Future[None]] = deque()
        self._polling: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it; a cancellation while waiting gives up the place in the line."""
        await self._enter()
        try:
            yield
        finally:
            self._leave()

    async def _enter(self) -> None:
        if self._inside < self._width:  # so nothing else waits
            self._count(1)
            return
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        self._poll_later()
        with awaited("turn"):
            try:
                await place
            except asyncio.CancelledError:
                if not place.cancelled():  # it was admitted at this very moment
                    self._leave()
                raise

    def resize(self, width: int) -> None:
        """Admit ``width`` at the same time from now on; what is inside already stays inside."""
        self._width = width
        self._admit(max(0, width - self._inside))

    def _count(self, change: int) -> None:
        self._inside += change
        self._moved = asyncio.get_running_loop().time()

    def _leave(self) -> None:
        self._count(-1)
        if self._inside < self._width:
            self._admit(1)

    def _admit(self, count: int) -> None:
        while count and self._line:
            place = self._line.popleft()
            if not place.done():  # a cancelled operation no longer waits
                place.set_result(None)
                self._count(1)
                count -= 1

    def _poll_later(self) -> None:
        if self._polling is None:
            loop = asyncio.get_running_loop()
            self._polling = loop.call_later(PERIOD, self._poll, loop.time(), self._idle())

    def _poll(self, since: float, idle_before: float) -> None:
        self._polling = None
        now = asyncio.get_running_loop().time()
        idle = self._idle() - idle_before >= IDLE * (now - since)
        if idle or now - self._moved >= STILL:
            self._admit(self._width)
        if self._line:
            self._poll_later()
