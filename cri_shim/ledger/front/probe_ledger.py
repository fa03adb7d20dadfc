"""Note at the daemon's end of a call to itself when the call began and when it was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.ledger.billing import close_request
from cri_shim.ledger.ledger import Ledger

if TYPE_CHECKING:
    from cri_shim.ledger.front_estimate import Gaps
    from cri_shim.ledger.request import Request

MOST_CALLS: Final = 128
"""How many calls of one round are remembered at most, because any client may call the method."""


class ProbeCall(Struct, frozen=True):
    """When a call began and when it was answered, in seconds of ``time.perf_counter``."""

    begun: float
    ended: float
    gaps: Gaps
    """The quiet before the call."""
    alone: bool
    """Whether no request was active."""


class ProbeLedger(Ledger):
    """Serves the probe's calls in place of ``real``: they are handled like requests, but no record of them is kept."""

    def __init__(self, real: Ledger) -> None:
        super().__init__()
        self.real = real
        self.calls: list[ProbeCall] = []
        """The calls of the present round."""

    def close(self, request: Request, code: str = "OK", error: str = "") -> None:
        """Note the call."""
        real, ended = self.real, request.started + close_request(request, code, error).wall
        del self.active_requests[request.id]
        gaps = real.front.probed(request.started, ended)
        if len(self.calls) < MOST_CALLS:
            self.calls.append(ProbeCall(request.started, ended, gaps, real.idle))
