"""What the hop between client and daemon takes: known from probes, and where a client sends its time, from that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.hops.gap_curve import GapCurve

if TYPE_CHECKING:
    from cri_shim.hops.request import Request


class FrontEstimate:
    """The curves of the probe, and how requests are charged by them."""

    def __init__(self) -> None:
        self.way_in = GapCurve()
        self.way_out = GapCurve()

    def charge(self, request: Request, sent_at: float | None) -> None:
        """Charge a request that begins; ``sent_at``: Unix seconds of the client's clock, if it told."""

    def ended(self) -> None:
        """A request was answered: the socket is quiet from now on."""
