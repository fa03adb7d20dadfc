"""Measure the hop between client and daemon: the daemon calls itself over its own socket from time to time.

A separate program makes the calls (:mod:`cri_shim.ledger.front.front_probe_client`), and lives for one round of them:
a round with many gaps at the start, and then, while requests come, a short one at the gaps that the requests had. A
call counts if no request was active beside it, and for the quiet that really was before it. On a node that is never
idle all calls count as long as nothing else is known, because a poor measurement is better than none.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from cri_shim.kernel.process import run_program
from cri_shim.ledger.front import front_probe_client
from cri_shim.ledger.transport.gap_curve import GAPS, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.ledger.front.probe_ledger import ProbeCall, ProbeLedger
    from cri_shim.ledger.front_estimate import Gaps

CALLS: Final = (4, 3, 3, 2, 1)
"""Calls at each gap in one pass of a round. Calls in immediate succession are one moment and count as one."""
PASSES: Final = 5
"""How many passes a round has, so that the measurements at each gap are spread over its time."""
ENOUGH: Final = 2
"""How many calls at a gap must count for the gap to be known."""
EVERY: Final = 300.0
"""Seconds between rounds while requests come."""
SOON: Final = 5.0
"""Seconds until the next round while a gap is not known; doubled each time."""
LONGEST: Final = 10.0
"""Seconds after which a round is abandoned."""

log = structlog.get_logger(__name__)


class FrontProbe:
    """Keeps :attr:`~cri_shim.ledger.ledger.Ledger.front` up to date; ``path`` is the daemon's own socket."""

    def __init__(self, path: str, ledger: ProbeLedger) -> None:
        self._path = path
        self._ledger = ledger
        self._front = ledger.real.front

    async def run(self) -> None:
        """Measure for ever."""
        await self.round(GAPS[:-1])
        await self.round(GAPS[-1:])
        pause = SOON
        while True:
            missing = self._missing()
            await asyncio.sleep(pause if missing else EVERY)
            pause = min(pause * 2, EVERY)
            if wanted := missing | self._front.take_gaps():
                await self.round(sorted({0.0} | wanted))

    def _missing(self) -> set[float]:
        """Return the gaps that are not known."""
        known = {gap: number for gap, _, number in self._front.way_in.points()}
        return {gap for gap in GAPS if known.get(gap, 0) < ENOUGH}

    async def round(self, gaps: Sequence[float]) -> int:
        """Make the calls at each of ``gaps``; return how many of them count."""
        self._ledger.calls.clear()
        one_pass = [gap for gap in gaps for _ in range(CALLS[GAPS.index(gap)])]
        calls = [repr(gap) for gap in one_pass * PASSES]
        command = [sys.executable, "-I", "-S", front_probe_client.__file__, self._path, *calls]
        try:
            ended = await run_program(command, {}, b"", time_limit=LONGEST)
        except OSError as error:  # includes TimeoutError
            log.debug("front.probe_failed", error=str(error))
            return 0
        if ended.exit_code:
            log.debug("front.probe_failed", error=ended.stderr.decode(errors="replace")[-200:])
            return 0
        return self._take(ended.stdout.decode("ascii"))

    def _take(self, printed: str) -> int:
        """Match the program's calls with what the server noted of them; return how many of them count."""
        pairs = []
        for line in printed.splitlines():
            sent, answered = map(float, line.split())
            call = _served(self._ledger.calls, sent, answered)
            if call is not None:
                pairs.append(_Pair(call.gaps, call.begun - sent, answered - call.ended, call.alone))
        counted = [pair for pair in pairs if pair.alone]
        if not counted and not self._front.way_in.points():
            counted = pairs
        for at_once, group in groupby(counted, key=lambda pair: nearest(pair.gaps.way_in) == 0.0):
            together = list(group)
            for pair in [_median(together)] if at_once else together:
                self._front.note(pair.gaps, pair.way_in, pair.way_out)
        return len(counted)


class _Pair(NamedTuple):
    """A call as its two ends saw it."""

    gaps: Gaps
    way_in: float
    way_out: float
    alone: bool


def _median(pairs: Sequence[_Pair]) -> _Pair:
    return sorted(pairs, key=lambda pair: pair.way_in + pair.way_out)[len(pairs) // 2]


def _served(calls: Sequence[ProbeCall], sent: float, answered: float) -> ProbeCall | None:
    """Return the first of ``calls`` that lies between the two times."""
    return next((call for call in calls if call.begun >= sent and call.ended <= answered), None)
