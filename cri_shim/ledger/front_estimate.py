"""Estimate the hop between client and daemon: from probes, or better from the time that a client sends.

Each way has a curve of its own (:mod:`cri_shim.ledger.transport.gap_curve`), and a quiet of its own: the way in depends
on how long ago the last request came, the way out on how long ago the last one was answered. When a request follows
at once on one that took 100 ms, its client has slept for that time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from cri_shim.ledger.transport.estimate import Estimate
from cri_shim.ledger.transport.gap_curve import GapCurve, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.ledger.request import Request

LONGEST_WAY: Final = 60.0
"""The most seconds from a client's time to the start here that are believed; a longer way was a step of the clock."""
LATE: Final = 0.002
"""Seconds. A longer delay of the event loop adds to the error; shorter ones are beyond the precision of its timers."""
_NONE: Final = Estimate(0.0, 0.0)


class Gaps(NamedTuple):
    """Seconds of quiet before each of the two ways."""

    way_in: float
    way_out: float


class FrontEstimate:
    """The curves that the probe fills, and what they charge requests for."""

    def __init__(self) -> None:
        self.lag: Callable[[], float] = lambda: 0.0
        """The delay of the event loop at the last check, in seconds."""
        self.way_in = GapCurve()
        self.way_out = GapCurve()
        self._last_in = self._last_out = time.perf_counter()
        self._at_once = 0.0
        """Seconds for both ways of a call that follows another at once."""
        self._gaps: set[float] = set()

    def take_gaps(self) -> set[float]:
        """Return the gaps of the curve nearest to those of the requests since the last call, and forget them."""
        gaps, self._gaps = self._gaps, set()
        return gaps

    def note(self, gaps: Gaps, way_in: float, way_out: float) -> None:
        """Add one call of the probe."""
        self.way_in.note(gaps.way_in, way_in)
        self.way_out.note(gaps.way_out, way_out)
        there, back = self.way_in.at(0.0), self.way_out.at(0.0)
        self._at_once = 0.0 if there is None or back is None else there.seconds + back.seconds

    def probed(self, begun: float, ended: float) -> Gaps:
        """Record that the probe used the socket, and return the gaps before that."""
        gaps = Gaps(self._gap(begun - self._last_in), self._gap(ended - self._last_out))
        self._last_in, self._last_out = begun, ended
        return gaps

    def charge(self, request: Request, sent_at: float | None) -> None:
        """Charge a request that begins with its way in; ``sent_at`` is Unix seconds by the client's clock, if known."""
        quiet, self._last_in = request.started - self._last_in, request.started
        gap = self._gap(quiet)
        self._gaps.add(nearest(gap))
        if sent_at is not None and 0.0 <= (seconds := request.started_at - sent_at) < LONGEST_WAY:
            request.way_in, request.front_known = Estimate(seconds, 0.0), "measured"
            return
        way_in = self.way_in.at(gap)
        if way_in is not None:
            # The probe calls when nothing else happens, so it cannot know how long others wait for a busy event loop.
            late = self.lag()
            request.way_in = way_in if late < LATE else Estimate(way_in.seconds, way_in.error + late)
            request.front_known = "estimate"

    def charge_answer(self, request: Request, code: str) -> None:
        """Charge a request that is answered now with its way out; if its client has gone, there is none."""
        now = time.perf_counter()
        quiet, self._last_out = now - self._last_out, now
        request.way_out = _NONE if code == "CANCELLED" else self.way_out.at(self._gap(quiet))
        if request.way_out is None:
            request.way_out = _NONE

    def _gap(self, quiet: float) -> float:
        """How long the socket is quiet between two requests that begin ``quiet`` seconds apart, if they are short."""
        return max(0.0, quiet - self._at_once)
