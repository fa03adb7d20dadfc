"""Estimate the transport of a hop without spans from containerd (docs/adr/0034).

Transport is what a null call takes: on the way in after as long a quiet as lay before the hop, on the way out after as
long a quiet as lay before its answer; plus what the load of the moment and its bytes add. If spans have been seen on
this node, their values for the same kind of hop correct the estimate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cri_shim.ledger.transport.agreement import Agreement, Pair
from cri_shim.ledger.transport.byte_cost import ByteCost
from cri_shim.ledger.transport.gap_curve import GapCurve
from cri_shim.ledger.transport.load_factor import LoadFactor, level_of
from cri_shim.ledger.transport.method_transport import MethodTransport, Observation

if TYPE_CHECKING:
    from containerd_client.hops import Hop

_ANSWERED_BY_US = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "UNFINISHED"})
"""Codes of hops that did not end with an answer from containerd, so their duration says nothing about other hops."""
_LEAST = 0.00001  # seconds; a shorter transport is only the difference of two clocks, and its ratio would mean nothing


class Charge(NamedTuple):
    """The transport of a hop in seconds (an :class:`~cri_shim.ledger.transport.estimate.Estimate`), and its parts."""

    seconds: float
    error: float
    by_null_calls: float = 0.0
    """The estimate without anything learned from spans, which is all there is if containerd exports none."""
    level: int = 0
    """How much was under way: see :mod:`~cri_shim.ledger.transport.load_factor`."""


class TransportEstimate:
    """Everything measured by null calls and learned from spans, and the charges for hops that follow from it."""

    def __init__(self) -> None:
        self.curve = GapCurve()
        self.load = LoadFactor()
        self.bytes = ByteCost()
        self.methods = MethodTransport()
        self.agreement = Agreement()
        self.null_calls = 0
        """How many null calls were made since the start."""

    def charge(self, rpc: str, hop: Hop, gap: float, quiet: float, busy: int) -> Charge | None:
        """Return the transport of a hop that has just ended; None if nothing was measured yet.

        ``gap`` and ``quiet`` are seconds without traffic on the connection, before the hop and before its answer;
        ``busy`` is how many requests and helpers are under way.
        """
        way_in = self.curve.at(gap)
        if way_in is None:
            return None
        way_out = self.curve.at(max(0.0, quiet - way_in.seconds)) or way_in
        level = level_of(busy)
        load = self.load.at(level, hop.started + hop.duration)
        idle = (way_in.seconds + way_out.seconds) / 2
        at_once = self.curve.at(0.0) or way_in
        # A busy node makes a call wait for cores. The cost of waking up after a quiet is not multiplied by that.
        beside = at_once.seconds * (load.times - 1.0)
        by_null_calls = max(at_once.seconds, idle + beside) + (hop.bytes_out + hop.bytes_in) * self.bytes.per_byte
        learned = self.methods.estimate((rpc, hop.method, level), hop.duration, by_null_calls)
        if learned is not None:
            return Charge(learned.seconds, learned.error, by_null_calls, level)
        error = (way_in.error + way_out.error) / 2 + at_once.seconds * load.error
        return Charge(by_null_calls, error, by_null_calls, level)

    def charge_unfinished(self, gap: float) -> Charge | None:
        """Return the transport of a hop that outlives its request, which did not wait for the answer's way back."""
        way_in = self.curve.at(gap)
        return None if way_in is None else Charge(0.0, way_in.seconds / 2)

    def learn(self, rpc: str, hop: Hop, charge: Charge | None, daemon: float) -> None:
        """Learn from containerd's span that it worked on a hop for ``daemon`` seconds; ``charge`` is the estimate."""
        if charge is None or charge.by_null_calls <= 0.0 or hop.attempts != 1 or hop.code in _ANSWERED_BY_US:
            return
        transport = max(_LEAST, hop.duration - daemon)
        estimate = min(charge.seconds, hop.duration)
        self.agreement.note_hop(hop.method, Pair(estimate, min(charge.by_null_calls, hop.duration), transport))
        seen = Observation(transport / charge.by_null_calls, min(daemon, hop.duration), abs(estimate - transport))
        self.methods.note((rpc, hop.method, charge.level), seen)
