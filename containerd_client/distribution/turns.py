"""Who goes next, when several want to: the lowest rank.

Layers are unpacked one upon the other, so the lowest one that is still on its way is the one that is waited for. Where
the machine is the narrow place and not the network, sharing it evenly between three layers would bring all three late.
Who had a turn is expected back for a moment before a higher rank may go, as an anticipatory disk scheduler does it;
where the network is the narrow place, nobody is ever kept waiting for longer than that.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools

EXPECTED_BACK = 0.03
"""Seconds; a few times what it takes to fill the next message at full speed."""


class Turns:
    """One at a time; of those who wait the lowest rank first, then who came first."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._expected: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def leave(self, rank: int) -> None:
        """Say that this rank does not come back."""
        if self._expected == rank:
            self._expect_nobody()
            self._next()

    async def wait(self, rank: int) -> None:
        """Wait for a turn; it must be ended."""
        if not self._busy and (self._expected is None or rank <= self._expected):
            self._expect_nobody()
            self._busy = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._numbers), turn))
        mine = False
        try:
            await turn
            mine = True
        finally:
            # Cancelled in the instant in which the turn was given: it goes on to the next.
            if not mine and turn.done() and not turn.cancelled():
                self._busy = False
                self._next()

    def end(self, rank: int) -> None:
        """Let the next one in."""
        self._busy = False
        if self._waiting and self._waiting[0][0] > rank:
            self._expected = rank
            self._timer = asyncio.get_running_loop().call_later(EXPECTED_BACK, self.leave, rank)
        else:
            self._next()

    def _expect_nobody(self) -> None:
        self._expected = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _next(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                self._busy = True
                turn.set_result(None)
                return
