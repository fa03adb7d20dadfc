"""Take in containerd's own spans: its share of every hop, measured by containerd itself instead of estimated.

containerd 2.x, and some builds of 1.7, export what they did for a call as a server span, the child of the client span
whose id was sent with the call. A span that matches a hop of a request, running or remembered, is added to that
request, whose bill is then computed again; what it says is also remembered for hops without spans
(:mod:`cri_shim.ledger.transport.method_transport`). A span that matches no hop or comes too late is dropped, and the
number of remembered hops is bounded. Everything else in an export goes on to the collector, if there is one, without
the traces that were only made to ask (docs/tracing.md).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from cri_shim.ledger.ledger import LedgerObserver
from cri_shim.ledger.trace_context import is_asking, span_of
from cri_shim.ledger.transport.agreement import Pair
from cri_shim.telemetry.span_export import MISSING
from cri_shim.telemetry.tracing import TracingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeAlias

    from cri_shim.ledger.ledger import Ledger
    from cri_shim.ledger.request import Request

    HopOf: TypeAlias = tuple[Request, int]

REMEMBERED = 8192
"""Hops of ended requests for which a span may still arrive, and spans that must not be counted twice."""
_UNDER_WAY = -1  # in place of the number of a hop

SLICE = 200
"""Spans that are matched at a time before other tasks get the event loop."""


class ContainerdSpans(LedgerObserver):
    """Takes in exports, and observes the ledger to match their spans with hops.

    ``forward`` gets what the collector should have, serialised; it may be replaced at any time. Raises
    :class:`TracingError` if the OTLP messages are not installed.
    """

    def __init__(self, ledger: Ledger, forward: Callable[[bytes], None] | None = None) -> None:
        try:
            from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb  # noqa: PLC0415 - an extra
            from opentelemetry.proto.trace.v1.trace_pb2 import Span  # noqa: PLC0415
        except ImportError as error:
            raise TracingError(MISSING.format(error.name or error)) from error
        self._request_type = pb.ExportTraceServiceRequest
        self._answer: bytes = pb.ExportTraceServiceResponse().SerializeToString()
        self._server = Span.SPAN_KIND_SERVER
        self._ledger = ledger
        self.forward = forward
        self._hops: OrderedDict[str, HopOf] = OrderedDict()
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self.matched = 0
        """Spans that reported containerd's share of a hop."""
        self.dropped = 0
        """Server spans whose parent is not one of the remembered hops."""

    def closed(self, request: Request) -> None:
        """Remember the hops of a request that has ended, because containerd reports them seconds later."""
        if request.trace is None or not request.trace.sampled:
            return
        for number, hop in enumerate(request.hops):
            self._hops[span_of(hop.trace)] = (request, number)
        if request.bill.split == "spans":
            self._compare(request)
        while len(self._hops) > REMEMBERED:
            self._hops.popitem(last=False)

    async def take(self, body: bytes, content_type: str) -> bytes:
        """Take one OTLP export and return the response.

        The spans are matched a slice at a time, so that requests need not wait for all of them. Raises ``ValueError``
        for anything that is not an export.
        """
        if content_type != "application/x-protobuf":
            raise ValueError(f"an export must be application/x-protobuf, not {content_type!r}")
        try:
            export = self._request_type.FromString(body)
        except DecodeError as error:
            raise ValueError(f"the body is not an ExportTraceServiceRequest: {error}") from error
        spans = (
            span
            for resource in export.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
            if span.kind == self._server and span.parent_span_id
        )
        while piece := list(islice(spans, SLICE)):
            self._take_slice(piece)
            await asyncio.sleep(0)
        if self.forward is not None:
            self._hand_on(export)
        return self._answer

    def _take_slice(self, spans: Iterable[Any]) -> None:
        self._ledger.catch_up()  # so that an ended request is either current or aggregated when its hops are matched
        active_hops = self._active_hops()
        updated: dict[int, tuple[Request, set[str]]] = {}
        for span in spans:
            self._match(span, active_hops, updated)
        for request, hops in updated.values():
            if request.ended:
                known = request.bill.split == "spans"
                self._ledger.rebill(request, hops)
                if request.bill.split == "spans" and not known:
                    self._compare(request)

    def _match(self, span: Any, active_hops: Mapping[str, HopOf], updated: dict[int, tuple[Request, set[str]]]) -> None:
        hop = span.parent_span_id.hex()
        request, number = self._hops.get(hop) or active_hops.get(hop) or (None, _UNDER_WAY)
        if request is None or request.trace is None or request.trace.trace_id != span.trace_id.hex():
            self.dropped += 1
            return
        if span.span_id in self._seen:  # the export was repeated
            return
        self._seen[span.span_id] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        self.matched += 1
        seconds = max(0, span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
        spans = request.server_spans
        if spans is None:
            spans = request.server_spans = {}
        # A call that was repeated has several spans.
        spans[hop] = spans.get(hop, 0.0) + seconds
        updated.setdefault(request.id, (request, set()))[1].add(hop)
        if number != _UNDER_WAY:
            self._ledger.transport.learn(request.method, request.hops[number], request.charges[number], seconds)

    def _compare(self, request: Request) -> None:
        """Note how far the estimate of a request was off, now that containerd has reported all of its hops."""
        hops = [(hop, charge) for hop, charge in zip(request.hops, request.charges, strict=True) if charge is not None]
        if len(hops) == len(request.hops):
            estimate = sum(min(charge.seconds, hop.duration) for hop, charge in hops)
            by_null_calls = sum(min(charge.by_null_calls, hop.duration) for hop, charge in hops)
            pair = Pair(estimate, by_null_calls, request.bill.transport_sum)
            self._ledger.transport.agreement.note_request(request.method, pair)

    def _active_hops(self) -> dict[str, HopOf]:
        """Return the hops of running requests by span id; hops that are still running have no number."""
        hops: dict[str, HopOf] = {}
        for request in self._ledger.active_requests.values():
            ended = ((hop.trace, number) for number, hop in enumerate(request.hops))
            for traceparent, number in (*ended, *((trace, _UNDER_WAY) for trace in request.in_flight.values())):
                if traceparent:
                    hops[span_of(traceparent)] = (request, number)
        return hops

    def _hand_on(self, export: Any) -> None:
        """Send the collector its part: all spans but those of traces that were only made to ask containerd."""
        for resource in export.resource_spans:
            for scope in resource.scope_spans:
                forwarded = [span for span in scope.spans if not is_asking(span.trace_id.hex())]
                if len(forwarded) != len(scope.spans):
                    del scope.spans[:]
                    scope.spans.extend(forwarded)
        if self.forward is not None and any(
            scope.spans for resource in export.resource_spans for scope in resource.scope_spans
        ):
            self.forward(export.SerializeToString())
