"""What the hop between client and daemon takes: the daemon calls itself over its own socket once in a while.

The calls are made by a program of its own (:mod:`cri_shim.hops.front_probe_client`), which lives for a round of them:
for one with many gaps at the start, and then, while requests come, for a short one at the gaps that they had. A call
counts if no request was in hand and none came since the call before it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

import structlog

from cri_shim.hops import front_probe_client
from cri_shim.hops.gap_curve import GAPS
from cri_shim.kernel.process import run_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.hops.probe_ledger import ProbeCall, ProbeLedger

CALLS: Final = (20, 5, 5, 3, 3)
"""Calls of a round at each gap: caches get warm by calls that follow at once on each other, and those take no time."""
ENOUGH: Final = 2
"""Calls that count at each gap before rounds become rare."""
EVERY: Final = 120.0
"""Seconds between rounds while requests come."""
SOON: Final = 5.0
"""Seconds until the next round while too little is known."""
LONGEST: Final = 10.0
"""Seconds after which a round is given up."""

log = structlog.get_logger(__name__)


class FrontProbe:
    """Keeps :attr:`~cri_shim.hops.ledger.Ledger.front` up to date; ``path`` is the daemon's own socket."""

    def __init__(self, path: str, ledger: ProbeLedger) -> None:
        self._path = path
        self._ledger = ledger
        self._front = ledger.real.front

    async def run(self) -> None:
        """Go on for ever."""
        await self.round(GAPS[:-1])
        await self.round(GAPS[-1:])
        while True:
            asked, count = self._front.take_gaps(), self._ledger.real.count
            await asyncio.sleep(SOON if self._missing() else EVERY)
            if self._ledger.real.count != count or self._missing():
                await self.round(self._wanted(asked | self._front.take_gaps()))

    def _missing(self) -> set[float]:
        """Gaps of the first rounds that too little is known of."""
        known = {gap: number for gap, _, number in self._front.way_in.points()}
        return {gap for gap in GAPS if known.get(gap, 0) < ENOUGH}

    def _wanted(self, asked: set[float]) -> list[float]:
        """The gaps that a round is to have: those that requests had, those that are missing, and none at all."""
        return sorted({0.0} | asked | self._missing())

    async def round(self, gaps: Sequence[float]) -> int:
        """Make the calls at each of ``gaps``; the number of those that count."""
        self._ledger.calls.clear()
        calls = [repr(gap) for gap in gaps for _ in range(CALLS[GAPS.index(gap)])]
        command = [sys.executable, "-I", "-S", front_probe_client.__file__, self._path, *calls]
        try:
            ended = await run_program(command, {}, b"", time_limit=LONGEST)
        except OSError as error:  # a time limit among them
            log.debug("front.probe_failed", error=str(error))
            return 0
        if ended.exit_code:
            log.debug("front.probe_failed", error=ended.stderr.decode(errors="replace")[-200:])
            return 0
        return self._take(ended.stdout.decode("ascii"))

    def _take(self, printed: str) -> int:
        """Pair the calls of the program with what the server noted of them."""
        counted, last = 0, -1
        for line in printed.splitlines():
            gap, sent, answered = map(float, line.split())
            call = _served(self._ledger.calls, sent, answered)
            if call is None:
                break
            if call.alone and call.count == last:
                self._front.note(gap, call.begun - sent, answered - call.ended)
                counted += 1
            last = call.count
        return counted


def _served(calls: Sequence[ProbeCall], sent: float, answered: float) -> ProbeCall | None:
    """The first of ``calls`` that lies between the two times."""
    return next((call for call in calls if call.begun >= sent and call.ended <= answered), None)
