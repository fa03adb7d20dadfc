"""containerd's own spans, taken in and handed on."""

from __future__ import annotations

import asyncio
import time

import pytest

pytest.importorskip("opentelemetry.proto", reason="the extra otel is not installed")

from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from containerd_client.hops import Hop
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.trace_context import is_asking, new_span_id, new_trace_id
from cri_shim.ledger.trace_policy import TracePolicy
from cri_shim.telemetry import containerd_spans
from cri_shim.telemetry.containerd_spans import ContainerdSpans

if TYPE_CHECKING:
    from cri_shim.ledger.request import Request

KIND = "application/x-protobuf"
ASK = TracePolicy(ask_containerd=True)


def traced(ledger: Ledger, policy: TracePolicy = ASK) -> Request:
    """A request that asks containerd."""
    return ledger.open("StartContainer", "v1", policy.begin(""))


def how(request: Request) -> tuple[str, object]:
    """How its bill is split, and the seconds of transport."""
    return request.bill.split, request.bill.transport_sum


def hop(ledger: Ledger, seconds: float = 0.01) -> str:
    """Make a hop; returns the traceparent that went along."""
    started = time.perf_counter()
    traceparent = ledger.note_call("x.Y/Z", started)
    ledger.note_hop(Hop("x.Y/Z", started, seconds, 1, 1, 1, "OK", traceparent))
    return traceparent


def span(parent: str, milliseconds: float, kind: int = Span.SPAN_KIND_SERVER) -> Span:
    """What containerd tells of a call that ``parent`` went along with."""
    start = time.time_ns()
    return Span(
        trace_id=bytes.fromhex(parent[3:35]),
        parent_span_id=bytes.fromhex(parent[36:52]),
        span_id=bytes.fromhex(new_span_id()),
        kind=Span.SpanKind.ValueType(kind),
        start_time_unix_nano=start,
        end_time_unix_nano=start + int(milliseconds * 1e6),
    )


def export(*spans: Span) -> bytes:
    """One export."""
    message = ExportTraceServiceRequest()
    message.resource_spans.add().scope_spans.add().spans.extend(spans)
    return message.SerializeToString()


async def test_the_bill_is_remade_from_what_containerd_says():
    """Transport is the hop without containerd's share, and the split says how that is known."""
    ledger = Ledger()
    receiver = ContainerdSpans(ledger)
    ledger.listen(receiver)
    ledger.transport.curve.note(1.0, 0.001)
    request = traced(ledger)
    first, second = hop(ledger, 0.010), hop(ledger, 0.020)
    ledger.close(request)
    assert how(request) == ("estimate", pytest.approx(0.002))
    own, hops = request.bill.own, request.bill.hops
    await receiver.take(export(span(first, 7)), KIND)
    assert how(request) == ("mixed", pytest.approx(0.003 + 0.001))
    await receiver.take(export(span(second, 15)), KIND)
    assert how(request) == ("spans", pytest.approx(0.003 + 0.005))
    assert request.bill.daemon_sum == pytest.approx(0.022)
    assert (request.bill.own, request.bill.hops) == (own, hops)


async def test_what_spans_say_teaches_and_is_compared():
    """Each hop is compared once, a request once all its hops were reported; the estimate comes first, to be fair."""
    ledger = Ledger()
    receiver = ContainerdSpans(ledger)
    ledger.listen(receiver)
    ledger.transport.curve.note(1.0, 0.001)
    for _ in range(5):
        request = traced(ledger)
        first, second = hop(ledger, 0.010), hop(ledger, 0.020)
        ledger.close(request)
        await receiver.take(export(span(first, 8)), KIND)
        exported = export(span(second, 18))
        await receiver.take(exported, KIND)
        await receiver.take(exported, KIND)
    agreement = ledger.transport.agreement
    assert agreement.hops()["x.Y/Z"].pairs == 10
    compared = agreement.requests()["StartContainer"]
    assert compared.pairs == 5
    assert compared.spans == pytest.approx(0.004)
    assert compared.by_null_calls == pytest.approx(0.002)
    assert compared.estimate > 0.003
    request = traced(ledger)
    early = hop(ledger, 0.010)
    await receiver.take(export(span(early, 8)), KIND)
    ledger.close(request)
    assert agreement.requests()["StartContainer"].pairs == 6


async def test_a_hop_of_an_active_request_counts():
    """What containerd tells before the request has ended is in its first bill, for hops in flight too."""
    ledger = Ledger()
    receiver = ContainerdSpans(ledger)
    ledger.listen(receiver)
    request = traced(ledger)
    done = hop(ledger, 0.010)
    flying = ledger.note_call("x.Y/Wait", time.perf_counter())
    await receiver.take(export(span(done, 6), span(flying, 0)), KIND)
    assert receiver.matched == 2
    ledger.close(request)
    assert request.bill.split == "spans"


async def test_calls_that_were_repeated_add_up_but_exports_do_not():
    """Two spans of two attempts are both containerd's work; the same span received twice counts once."""
    ledger = Ledger()
    receiver = ContainerdSpans(ledger)
    ledger.listen(receiver)
    request = traced(ledger)
    parent = hop(ledger, 0.050)
    ledger.close(request)
    twice = export(span(parent, 10), span(parent, 20))
    await receiver.take(twice, KIND)
    await receiver.take(twice, KIND)
    assert request.bill.daemon_sum == pytest.approx(0.030)


async def test_what_fits_no_hop_is_dropped(monkeypatch):
    """Unknown parents, other traces, spans that are no server's and spans that come too late change nothing."""
    monkeypatch.setattr(containerd_spans, "REMEMBERED", 1)
    ledger = Ledger()
    receiver = ContainerdSpans(ledger)
    ledger.listen(receiver)
    request = traced(ledger)
    late, parent = hop(ledger), hop(ledger)
    ledger.close(request)
    stranger = f"00-{new_trace_id()}-{new_span_id()}-01"
    same_parent = f"00-{new_trace_id()}-{parent[36:52]}-01"
    internal = span(parent, 5, Span.SPAN_KIND_INTERNAL)
    await receiver.take(export(span(stranger, 5), span(same_parent, 5), internal, span(late, 5)), KIND)
    assert (receiver.matched, receiver.dropped, request.bill.split) == (0, 3, "none")
    assert len(receiver._hops) == 1


async def test_memory_is_bounded():
    """However many requests there were, so many hops are remembered and no more."""
    ledger = Ledger()
    receiver = ContainerdSpans(ledger)
    ledger.listen(receiver)
    for _ in range(containerd_spans.REMEMBERED // 8 + 10):
        request = traced(ledger)
        spans = [span(hop(ledger), 1) for _ in range(8)]
        await receiver.take(export(*spans), KIND)
        ledger.close(request)
    assert len(receiver._hops) == len(receiver._seen) == containerd_spans.REMEMBERED


async def test_the_collector_gets_all_but_the_traces_made_to_ask():
    """Spans of exported requests and containerd's own are forwarded; those of traces that only ask are not."""
    handed: list[bytes] = []
    ledger = Ledger()
    receiver = ContainerdSpans(ledger, handed.append)
    ledger.listen(receiver)
    exported = traced(ledger, TracePolicy(ratio=1.0, ask_containerd=True))
    parent = hop(ledger)
    ledger.close(exported)
    asking = traced(ledger)
    hidden = hop(ledger)
    ledger.close(asking)
    assert is_asking(hidden[3:35])
    assert not is_asking(parent[3:35])
    await receiver.take(export(span(hidden, 1)), KIND)
    assert handed == []
    own = f"00-{new_trace_id()}-{new_span_id()}-01"
    await receiver.take(export(span(hidden, 1), span(parent, 1), span(own, 1)), KIND)
    (body,) = handed
    passed = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    assert [one.trace_id.hex() for one in passed] == [parent[3:35], own[3:35]]
    assert (exported.bill.split, asking.bill.split) == ("spans", "spans")


@pytest.mark.parametrize(("body", "kind"), [(b"\xff\xff", KIND), (b"{}", "application/json")])
async def test_what_is_no_export_is_refused(body, kind):
    """Nonsense and JSON are errors that say what is wanted."""
    with pytest.raises(ValueError, match=r"ExportTraceServiceRequest|application/x-protobuf"):
        await ContainerdSpans(Ledger()).take(body, kind)


async def test_a_large_export_is_taken_in_slices():
    """Others have the event loop in between, and each slice is settled by itself."""
    ledger = Ledger()
    receiver = ContainerdSpans(ledger)
    request = traced(ledger)
    parents = [hop(ledger) for _ in range(3)]
    stranger = f"00-{new_trace_id()}-{new_span_id()}-01"
    others = [span(stranger, 1) for _ in range(containerd_spans.SLICE * 5)]
    rounds = 0

    async def count_rounds() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_rounds())
    await receiver.take(export(*others, *(span(parent, 5) for parent in parents)), KIND)
    counting.cancel()
    assert rounds >= 5
    assert receiver.matched == 3
    assert request.server_spans is not None
