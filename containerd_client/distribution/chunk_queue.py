"""Serialise sending by rank: of several layers that wait to send, the lowest goes first.

Layers are unpacked on top of each other, so the pull waits for the lowest layer that is still in transfer. Where the
machine and not the network is the bottleneck, sharing it evenly between three layers would make all three late. After a
layer has sent, the next slot is held free for it for a moment before a higher rank may go, as an anticipatory disk
scheduler does; where the network is the bottleneck, no layer waits longer than that moment.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools

EXPECTED_BACK = 0.03
"""Seconds; a few times the duration of filling the next message at full speed."""


class ChunkQueue:
    """Gives out one slot at a time: to the waiting caller with the lowest rank, then to the one that came first."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._expected: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def leave(self, rank: int) -> None:
        """Note that this rank will not send any more."""
        if self._expected == rank:
            self._forget_expected()
            self._next()

    async def wait(self, rank: int) -> None:
        """Wait for the slot; the caller must :meth:`end` it."""
        if not self._busy and (self._expected is None or rank <= self._expected):
            self._forget_expected()
            self._busy = True
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._numbers), waiter))
        mine = False
        try:
            await waiter
            mine = True
        finally:
            # Cancelled in the instant in which the slot was given: pass it on to the next caller.
            if not mine and waiter.done() and not waiter.cancelled():
                self._busy = False
                self._next()

    def end(self, rank: int) -> None:
        """Release the slot to the next caller."""
        self._busy = False
        if self._waiting and self._waiting[0][0] > rank:
            self._expected = rank
            self._timer = asyncio.get_running_loop().call_later(EXPECTED_BACK, self.leave, rank)
        else:
            self._next()

    def _forget_expected(self) -> None:
        self._expected = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self) -> None:
        while self._waiting:
            _, _, waiter = heapq.heappop(self._waiting)
            if not waiter.done():
                self._busy = True
                waiter.set_result(None)
                return
