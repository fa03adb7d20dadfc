"""A finished request as spans: names, parents, attributes, events, status."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from containerd_client.hops import Hop
from cri_shim.ledger.bill_text import bill_text, parse_bill
from cri_shim.ledger.billing import rebill
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.trace_context import TraceContext, span_of
from cri_shim.network.exec import Helper
from cri_shim.telemetry.spans import Span, SpanMaker
from cri_shim.timeline import awaited, note_stage, stage

if TYPE_CHECKING:
    from cri_shim.ledger.request import Request

TRACE, PARENT, OWN = "a" * 32, "b" * 16, "c" * 16
CREATE = "containerd.services.tasks.v1.Tasks/Create"
SOCKET = "/run/containerd/containerd.sock"


def hop(ledger: Ledger, method: str, code: str = "OK") -> str:
    """Make a hop as the client does; returns its span id."""
    started = time.perf_counter()
    traceparent = ledger.note_call(method, started)
    ledger.note_hop(Hop(method, started, 0.001, 10, 20, 2, code, traceparent))
    return span_of(traceparent)


def spans_of(request: Request, **how: Any) -> dict[str, Span]:
    """Its spans by name."""
    return {span.name: span for span in SpanMaker(SOCKET, **how).spans(request)}


def traced(ledger: Ledger, method: str, api: str = "v1") -> Request:
    """A request with a caller's trace."""
    return ledger.open(method, api, TraceContext(TRACE, OWN, PARENT))


def test_one_trace_in_one_tree():
    """The request is the caller's child, stages are the request's, hops and plugins belong to the stage they ran in."""
    ledger = Ledger()
    request = traced(ledger, "RunPodSandbox")
    request.subject = {"sandbox_id": "s1", "name": "web", "image": ""}
    with stage("cri.sandbox.run", {"sandbox.name": "web_default", "netns.path": ""}):
        with stage("container.NewTask"):
            inner = hop(ledger, CREATE)
        with stage("cni.setup_pod_network"):
            ledger.note_helper(Helper("bridge", "ADD", time.perf_counter(), 0.0, 0))
        beside = hop(ledger, "containerd.services.containers.v1.Containers/Update")
    outside = hop(ledger, "containerd.services.version.v1.Version/Version")
    ledger.close(request)
    spans = spans_of(request)
    server = spans["runtime.v1.RuntimeService/RunPodSandbox"]
    assert (server.kind, server.span_id, server.parent_id) == ("server", OWN, PARENT)
    run, task, cni = (spans[name] for name in ("cri.sandbox.run", "container.NewTask", "cni.setup_pod_network"))
    assert (run.parent_id, task.parent_id, cni.parent_id) == (OWN, run.span_id, run.span_id)
    assert (spans[CREATE].kind, spans[CREATE].span_id, spans[CREATE].parent_id) == ("client", inner, task.span_id)
    assert spans["containerd.services.containers.v1.Containers/Update"].parent_id == run.span_id
    assert spans["containerd.services.version.v1.Version/Version"].parent_id == OWN
    assert len({inner, beside, outside}) == 3
    plugin = spans["cni.add.bridge"]
    assert (plugin.parent_id, plugin.attributes["process.exit.code"]) == (cni.span_id, 0)
    assert run.attributes == {"sandbox.name": "web_default"}
    assert all(server.started <= span.started <= span.ended <= server.ended + 2e6 for span in spans.values())


def test_attributes_of_both_vocabularies():
    """The stable names, beside them those older ones that do not collide; with the opt-in only the stable ones."""
    ledger = Ledger()
    request = traced(ledger, "RunPodSandbox")
    request.subject = {"sandbox_id": "s1", "name": "web"}
    hop(ledger, CREATE, "NOT_FOUND")
    ledger.close(request)
    spans = spans_of(request)
    server, client = spans["runtime.v1.RuntimeService/RunPodSandbox"].attributes, spans[CREATE].attributes
    assert server["rpc.method"] == "runtime.v1.RuntimeService/RunPodSandbox"
    assert (server["sandbox.id"], server["k8s.pod.name"]) == ("s1", "web")
    assert (
        client
        | {
            "rpc.system.name": "grpc",
            "rpc.method": CREATE,
            "rpc.response.status_code": "NOT_FOUND",
            "error.type": "NOT_FOUND",
            "rpc.system": "grpc",
            "rpc.service": "containerd.services.tasks.v1.Tasks",
            "rpc.grpc.status_code": 5,
            "server.address": SOCKET,
            "network.transport": "unix",
            "cri_shim.hop.attempts": 2,
        }
        == client
    )
    stable = spans_of(request, older_names=False)[CREATE].attributes
    assert set(client) - set(stable) == {"rpc.system", "rpc.service", "rpc.grpc.status_code"}


@pytest.mark.parametrize(
    ("code", "error"),
    [("OK", None), ("NOT_FOUND", None), ("CANCELLED", None), ("UNAVAILABLE", "why"), ("INTERNAL", "why")],
)
def test_a_servers_fault_and_a_clients(code, error):
    """A pod that is not there is no error of the server; a daemon that is away is. For a client any failure is one."""
    ledger = Ledger()
    request = traced(ledger, "PodSandboxStatus")
    hop(ledger, CREATE, code)
    ledger.close(request, code, "why" if code != "OK" else "")
    spans = spans_of(request)
    assert spans["runtime.v1.RuntimeService/PodSandboxStatus"].error == error
    assert spans[CREATE].error == (None if code == "OK" else code)


def test_the_bill_in_the_span_is_the_one_in_the_answer():
    """Every figure of the trailing metadata is an attribute, also after containerd has reported its share."""
    ledger = Ledger()
    request = traced(ledger, "StopContainer")
    own = hop(ledger, CREATE)
    ledger.close(request)
    sent = bill_text(request)
    request.server_spans = {own: 0.0005}
    rebill(request)
    (server, *_) = SpanMaker(SOCKET).spans(request, sent)
    figures = {key.removeprefix("cri_shim.bill."): value for key, value in server.attributes.items() if "bill" in key}
    assert figures == {key: value for key, value in parse_bill(sent).items() if key != "id"}
    assert figures["split"] == "none"


def test_events_are_called_as_containerd_calls_them():
    """The good end of a request, the beginning and end of network stages, and waits with what was waited for."""
    ledger = Ledger()
    request = traced(ledger, "StopPodSandbox")
    with stage("cni.teardown_pod_network"), awaited("exit"):
        time.sleep(0.002)
    ledger.close(request)
    events = {event.name: event for event in spans_of(request)["runtime.v1.RuntimeService/StopPodSandbox"].events}
    assert list(events) == [
        "start pod network teardown",
        "finished pod network teardown",
        "wait",
        "sandbox container stopped",
    ]
    assert events["finished pod network teardown"].at - events["start pod network teardown"].at >= 2_000_000
    assert events["wait"].attributes["wait.for"] == "exit"
    failed = traced(ledger, "StopPodSandbox")
    ledger.close(failed, "INTERNAL", "no")
    assert spans_of(failed)["runtime.v1.RuntimeService/StopPodSandbox"].events == ()


def test_names_of_services_and_versions():
    """Methods of images belong to ImageService; v1alpha2 is named as what it is."""
    ledger = Ledger()
    for method, api, name in (
        ("PullImage", "v1", "runtime.v1.ImageService/PullImage"),
        ("Version", "v1alpha2", "runtime.v1alpha2.RuntimeService/Version"),
    ):
        request = traced(ledger, method, api)
        ledger.close(request)
        assert list(spans_of(request)) == [name]


def test_a_hop_in_flight_at_the_end_is_there_and_no_error():
    """A hop still in flight at the answer has a span up to the answer, without a status."""
    ledger = Ledger()
    request = traced(ledger, "RunPodSandbox")
    ledger.note_call(CREATE, time.perf_counter())
    ledger.close(request, "CANCELLED")
    span = spans_of(request)[CREATE]
    assert (span.error, span.attributes["cri_shim.hop.unfinished"]) == (None, True)
    assert "rpc.response.status_code" not in span.attributes


def test_a_stage_that_outlived_its_request_hides_no_hop():
    """A hop inside a stage that was never noted belongs to the next stage around it, or to the request."""
    ledger = Ledger()
    request = traced(ledger, "RunPodSandbox")
    with stage("cri.sandbox.run"):
        note_stage("parse", request.started)
        hop(ledger, CREATE)
        ledger.close(request, "CANCELLED")
    spans = spans_of(request)
    assert "cri.sandbox.run" not in spans
    assert spans[CREATE].parent_id == spans["parse"].parent_id == OWN


def test_without_a_trace_there_is_nothing():
    """A request that is not traced has no spans."""
    ledger = Ledger()
    request = ledger.open("Version")
    ledger.close(request)
    assert list(SpanMaker(SOCKET).spans(request)) == []
