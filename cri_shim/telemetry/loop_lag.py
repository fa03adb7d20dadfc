"""How late the event loop is: a timer that should fire every half second, and how long after that it does.

What keeps the loop busy or blocked keeps every request waiting, so its lag belongs beside the requests' own time.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

EVERY = 0.5
"""Seconds between looks."""
KEPT = 120
"""Looks of which the greatest lag is told: the last minute's."""


class LoopLag:
    """Samples of the running loop's lag, in seconds; 0 before the first."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self.last = 0.0
        """At the last look."""
        self.greatest = 0.0
        """Since the start."""
        self.total = 0.0
        """Of all looks together."""
        self.looks = 0

    @property
    def recent(self) -> float:
        """The greatest of the last minute."""
        since = time.monotonic() - KEPT * EVERY
        return max((lag for at, lag in self._recent if at >= since), default=0.0)

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            due = time.monotonic() + EVERY
            await asyncio.sleep(EVERY)
            self.note(max(0.0, time.monotonic() - due))

    def note(self, lag: float) -> None:
        """Take one sample in."""
        self.last = lag
        self.greatest = max(self.greatest, lag)
        self.total += lag
        self.looks += 1
        self._recent.append((time.monotonic(), lag))
