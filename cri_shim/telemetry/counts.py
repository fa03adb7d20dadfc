"""What the ledger has seen since the daemon began, in numbers that never shrink: the source of the metrics.

The records of single requests come and go; these numbers stay. They are counted from the same records at the same
moment, so a metric and a bill cannot disagree.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

from cri_shim.ledger.billing import hop_shares
from cri_shim.ledger.ledger import LedgerObserver
from cri_shim.ledger.trace_context import span_of
from cri_shim.telemetry.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from containerd_client.hops import Hop
    from cri_shim.ledger.request import Request
    from cri_shim.network.exec import Helper

Labels: TypeAlias = tuple[str, ...]


class Counts(LedgerObserver):
    """Counts what the ledger records, as one of its observers.

    With ``spans``, containerd reports its own share of hops. Then the shares of traced requests are counted when they
    arrive (and not at all if they never do), instead of being estimated.
    """

    def __init__(self, *, spans: bool = False) -> None:
        self._spans = spans
        self.requests: defaultdict[Labels, Histogram] = defaultdict(Histogram)
        """By method, API version and code."""
        self.parts: defaultdict[Labels, float] = defaultdict(float)
        """Seconds by method and part; transport, work, queue and world add up to wall, and front is outside of it."""
        self.front_seconds: defaultdict[Labels, float] = defaultdict(float)
        """Seconds of front hops by method and how they are known (measured, estimate)."""
        self.front_requests: defaultdict[Labels, int] = defaultdict(int)
        """Requests by method and how their front hop is known, including ``none``: the denominator of a mean."""
        self.price_errors: defaultdict[Labels, float] = defaultdict(float)
        """Seconds by method by which the sums of the price may be off."""
        self.hops: defaultdict[Labels, Histogram] = defaultdict(Histogram)
        """By method and code; this includes hops that belong to no request (events, sweeps, samples)."""
        self.shares: defaultdict[Labels, float] = defaultdict(float)
        """Seconds by hop method, share (daemon, transport) and how it is known (spans, estimate)."""
        self.bytes: defaultdict[Labels, int] = defaultdict(int)
        """By hop method and direction (out, in)."""
        self.repeats: defaultdict[Labels, int] = defaultdict(int)
        """Attempts beyond the first, by hop method."""
        self.helpers: defaultdict[Labels, Histogram] = defaultdict(Histogram)
        """By plugin, command and outcome (ok, failed)."""
        self.hops_in_flight = 0

    def called(self, _request: Request | None, _method: str) -> None:
        """Count a hop that begins."""
        self.hops_in_flight += 1

    def hopped(self, _request: Request | None, hop: Hop) -> None:
        """Count a hop that has ended."""
        self.hops_in_flight -= 1
        self.hops[hop.method, hop.code].add(hop.duration)
        self.bytes[hop.method, "out"] += hop.bytes_out
        self.bytes[hop.method, "in"] += hop.bytes_in
        if hop.attempts > 1:
            self.repeats[(hop.method,)] += hop.attempts - 1

    def helped(self, _request: Request | None, helper: Helper) -> None:
        """Count a helper that has ended."""
        self.helpers[helper.name, helper.command, "failed" if helper.exit_code else "ok"].add(helper.duration)

    def closed(self, request: Request) -> None:
        """Count a request that has its bill."""
        bill = request.bill
        exported = request.trace is not None and request.trace.exported
        trace_id = request.trace.trace_id if exported and request.trace is not None else ""
        self.requests[request.method, request.api, request.code].add(bill.wall, trace_id)
        method, parts = request.method, self.parts
        own, work, queue = bill.own, bill.work, bill.queue
        parts[method, "own"] += own
        parts[method, "work"] += work
        parts[method, "work_cpu"] += bill.work_cpu
        parts[method, "front"] += bill.front
        parts[method, "price"] += bill.price
        self.front_requests[method, bill.front_known] += 1
        if bill.front_known != "none":
            self.front_seconds[method, bill.front_known] += bill.front
        if error := bill.price_error:
            self.price_errors[(method,)] += error
        if queue:
            parts[method, "queue"] += queue
        if bill.world:
            parts[method, "world"] += bill.world
        # Two old names, for dashboards that were made before the price; the next release removes them.
        parts[method, "extra"] += bill.transport_sum + work + queue
        if (awaited := own - work - queue) > 0.0:
            parts[method, "awaited"] += awaited
        if bill.hop_count or bill.helper_count:
            parts[method, "hops"] += bill.hops
            parts[method, "helpers"] += bill.helpers
            parts[method, "transport"] += bill.transport
            if self._spans and request.trace is not None and request.trace.sampled:
                # For a long request, some spans may have arrived already; the others follow, each once.
                self.rebilled(request, request.server_spans or ())
            else:
                self._share(request, range(len(request.hops)))

    def rebilled(self, request: Request, span_ids: Collection[str]) -> None:
        """Count the hops whose share containerd has now reported."""
        if self._spans:
            self._share(request, [number for number, hop in enumerate(request.hops) if span_of(hop.trace) in span_ids])

    def _share(self, request: Request, numbers: Iterable[int]) -> None:
        for number in numbers:
            shares = hop_shares(request, number)
            if shares.split != "none":
                method = request.hops[number].method
                self.shares[method, "daemon", shares.split] += shares.daemon
                self.shares[method, "transport", shares.split] += shares.transport
