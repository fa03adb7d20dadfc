"""What is read of an ended request later is what was noted while it ran, in far less memory."""

from __future__ import annotations

import gc
import time
import tracemalloc

from containerd_client.hops import Hop
from cri_shim.ledger.ledger import CAPACITY, Ledger
from cri_shim.ledger.record_json import record
from cri_shim.ledger.steps import whole
from cri_shim.ledger.trace_context import TraceContext, span_of
from cri_shim.ledger.unfinished import UNFINISHED
from cri_shim.network.exec import Helper
from cri_shim.timeline import note_wait, stage

CREATE = "containerd.services.tasks.v1.Tasks/Create"


def a_pod_start(ledger: Ledger, trace: TraceContext | None = None, steps: int = 10):
    """An ended request with all that a request may have."""
    request = ledger.open("RunPodSandbox", "v1alpha2", trace)
    request.subject = {"name": "web"}
    for number in range(steps):
        with stage("cri.sandbox.step", {"pod": f"web-{number}"}):
            began = time.perf_counter()
            traceparent = ledger.note_call(CREATE, began)
            ledger.note_hop(Hop(CREATE, began, 0.01 + number, 100, 200, 1 + number, "OK", traceparent))
            ledger.note_helper(Helper("bridge", "ADD", began, 0.005, number))
    note_wait("executor fs", time.perf_counter() - 0.25)
    ledger.note_call("containerd.services.tasks.v1.Tasks/Start", time.perf_counter())
    ledger.close(request, "INTERNAL", "it broke")
    return request


def test_the_same_record_comes_back():
    """Everything that the page shows of a request is there when the request itself is gone."""
    ledger = Ledger()
    ledger.transport.curve.note(1.0, 0.001)
    request = a_pod_start(ledger, TraceContext("a" * 32, "b" * 16, "c" * 16))
    stored = ledger.find(request.id)
    assert stored is not None
    assert stored is not request
    assert whole(record(stored)) == whole(record(request))
    assert (stored.started_at, stored.trace) == (request.started_at, request.trace)
    assert [hop.code for hop in stored.hops] == ["OK"] * 10 + [UNFINISHED]


def test_what_containerd_reports_later_is_packed_too():
    """A bill that is made out anew, with containerd's own spans, replaces the estimate."""
    ledger = Ledger()
    ledger.transport.curve.note(1.0, 0.001)
    request = a_pod_start(ledger, TraceContext("a" * 32, "b" * 16))
    estimated = ledger.find(request.id)
    span_id = span_of(request.hops[0].trace)
    request.server_spans = {span_id: 0.004}
    ledger.rebill(request, {span_id})
    stored = ledger.find(request.id)
    assert estimated is not None
    assert stored is not None
    assert str(estimated.bill.split) == "estimate"
    assert str(stored.bill.split) == "mixed"
    assert whole(record(stored)) == whole(record(request))
    assert whole(record(stored))["hops"][0]["daemon_ms"] == 4.0


def test_a_full_ledger_is_small():
    """As many pod starts as are kept take less than 3.5 KiB each; as objects they took more than ten."""
    ledger = Ledger()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(CAPACITY):
        a_pod_start(ledger)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(ledger.newest()) == CAPACITY
    assert taken / CAPACITY < 3.5 * 1024
