"""Making an exporter, and what is missing for it."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cri_shim.ledger.request import Request
from cri_shim.ledger.trace_context import TraceContext
from cri_shim.telemetry.span_export import span_export
from cri_shim.telemetry.tracing import Tracing, TracingError

SOCKET = "/run/containerd/containerd.sock"
URL = "http://127.0.0.1:1/v1/traces"


def test_without_a_collector_nothing_is_made():
    """No endpoint, no exporter."""
    assert span_export(Tracing(), SOCKET) is None


@pytest.mark.parametrize("grpc", [False, True])
def test_a_configured_collector_needs_the_packages(monkeypatch, grpc):
    """The error names what to install; a collector that only the environment names is no reason not to start."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(TracingError, match=r"pip install '\.\[otel\]'"):
        span_export(Tracing(endpoint=URL, configured=True, grpc=grpc), SOCKET)
    assert span_export(Tracing(endpoint=URL, grpc=grpc), SOCKET) is None


async def test_a_node_whose_names_are_no_text(monkeypatch):
    """A host name and an environment with bytes that are not UTF-8: what is exported can be encoded all the same."""
    encoder = pytest.importorskip("opentelemetry.exporter.otlp.proto.common.trace_encoder", reason="an extra")
    monkeypatch.setattr("socket.gethostname", lambda: "node\udcff")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "rack=a\udcff,b\udcff=c")
    export = span_export(Tracing(endpoint=URL, configured=True, service_name="cri\udcff"), SOCKET)
    assert export is not None
    sent: list[Any] = []
    monkeypatch.setattr(export._assemble.processor, "on_end", sent.append)
    request = Request(1, "Version", trace=TraceContext("a" * 32, "b" * 16), api="v1")
    request.end("OK", "")
    export.closed(request)
    await export.close()
    encoded = encoder.encode_spans(sent).SerializeToString()
    for value in ("node\ufffd", "a\ufffd", "b\ufffd"):
        assert value.encode() in encoded
