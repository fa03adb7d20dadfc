"""What a call to containerd costs when there is nothing to do: the measure of transport where it exports no spans.

``Version`` on the same channel as everything else, a few times at the start and then once in a while, and only while no
request is in hand: one beside it would share the loop and the machine with it, and be charged for that. It is an
estimate, of small messages on an idle machine, and is marked as one wherever it is shown (DESIGN "Words").
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING

from containerd_client import ContainerdError, call_options

if TYPE_CHECKING:
    from containerd_client import Containerd
    from cri_shim.hops.ledger import Ledger

FIRST = 5
"""Calls at the start, one after the other."""
EVERY = 30.0
"""Seconds between calls after that."""
KEPT = 7
"""Calls of which the median is taken: one slow one, and what was minutes ago, does not count."""
SOON = 0.1
"""Seconds until the next look when a request is in hand."""
GIVEN_UP = 1.0
"""Seconds after which a call is no measure of anything."""


class NullCall:
    """Keeps :attr:`~cri_shim.hops.ledger.Ledger.transport` up to date."""

    def __init__(self, client: Containerd, ledger: Ledger) -> None:
        self._client = client
        self._ledger = ledger
        self._seconds: deque[float] = deque(maxlen=KEPT)

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            while self._ledger.in_hand:  # noqa: ASYNC110 - an event would have to be set by every request
                await asyncio.sleep(SOON)
            measured = await self.measure()
            await asyncio.sleep(SOON if measured and len(self._seconds) < FIRST else EVERY)

    async def measure(self) -> bool:
        """Make one call; it counts if no request came in meanwhile and containerd answered in time."""
        before = self._ledger.count
        started = perf_counter()
        try:
            with call_options(timeout=GIVEN_UP):
                await self._client.version.get()
        except ContainerdError:
            return False
        seconds = perf_counter() - started
        counts = self._ledger.count == before and seconds < GIVEN_UP
        if counts:
            self._seconds.append(seconds)
            self._ledger.transport.curve.note(EVERY, seconds)
        return counts
