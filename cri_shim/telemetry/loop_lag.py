"""Measure how late the event loop is: how long after its due time a timer fires, once a second.

Whatever keeps the loop busy or blocked keeps every request waiting, so its lag belongs beside the requests' own time.
"""

from __future__ import annotations

import time
from collections import deque

from cri_shim.tuning.ticks import next_tick

EVERY = 1.0
"""Seconds between samples."""
CAPACITY = 60
"""Samples from which the greatest recent lag is taken: the last minute's."""


class LoopLag:
    """Samples of the running loop's lag, in seconds; 0 before the first."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque(maxlen=CAPACITY)
        self.last = 0.0
        """The lag of the last sample."""
        self.greatest = 0.0
        """The greatest lag since the start."""
        self.total = 0.0
        """The sum of all samples."""
        self.samples = 0

    @property
    def recent(self) -> float:
        """The greatest lag of the last minute."""
        since = time.monotonic() - CAPACITY * EVERY
        return max((lag for at, lag in self._recent if at >= since), default=0.0)

    async def run(self) -> None:
        """Sample the lag for ever."""
        while True:
            due = await next_tick()
            self.note(max(0.0, time.monotonic() - due))

    def note(self, lag: float) -> None:
        """Add one sample."""
        self.last = lag
        self.greatest = max(self.greatest, lag)
        self.total += lag
        self.samples += 1
        self._recent.append((time.monotonic(), lag))
