"""What of a hop is taken for transport where containerd exports no spans: a null call after as long a quiet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.hops.gap_curve import GapCurve

if TYPE_CHECKING:
    from containerd_client.hops import Hop
    from cri_shim.hops.estimate import Estimate


class TransportEstimate:
    """The curve of null calls (:mod:`cri_shim.hops.null_call`), and how hops are charged by it."""

    def __init__(self) -> None:
        self.curve = GapCurve()

    def charge(self, _hop: Hop, gap: float) -> Estimate | None:
        """The transport of a hop that ended, after ``gap`` seconds of quiet on its connection; None: not known yet."""
        return self.curve.at(gap)
