"""Making an exporter, and what is missing for it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from cri_shim.ledger.request import Request
from cri_shim.ledger.trace_context import TraceContext
from cri_shim.telemetry.span_export import span_export
from cri_shim.telemetry.span_forward import SpanForward
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


@pytest.mark.parametrize(
    ("variable", "value", "grpc"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", False),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "999999", False),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", True),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", True),
    ],
)
async def test_a_variable_that_makes_no_sense(monkeypatch, variable, value, grpc):
    """The start of the daemon ends with a sentence, or goes on if only the environment names the collector."""
    pytest.importorskip("opentelemetry.sdk", reason="an extra")
    monkeypatch.setenv(variable, value)
    with pytest.raises(TracingError, match="OpenTelemetry refuses one of its variables"):
        span_export(Tracing(endpoint=URL, configured=True, grpc=grpc), SOCKET)
    with capture_logs() as logs:
        assert span_export(Tracing(endpoint=URL, grpc=grpc), SOCKET) is None
    assert [one["event"] for one in logs if one["event"].startswith("tracing.")] == ["tracing.variable_refused"]


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


@pytest.mark.parametrize("status", [302, 307, 308])
async def test_a_login_for_the_collector_goes_nowhere_else(monkeypatch, capsys, status):
    """A collector that redirects is refused, by both exporters: the headers may hold a key."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=geheim")
    got: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        got.append("elsewhere")
        return web.Response()

    async def collector(request: web.Request) -> web.Response:
        got.append(request.headers["x-api-key"])
        return web.Response(status=status, headers={"Location": f"http://127.0.0.1:{other.port}/v1/traces"})

    def site(handler: Any) -> web.Application:
        application = web.Application()
        application.router.add_post("/v1/traces", handler)
        return application

    async with TestServer(site(elsewhere)) as other, TestServer(site(collector)) as server:
        tracing = Tracing(endpoint=f"http://127.0.0.1:{server.port}/v1/traces")
        forward = SpanForward(tracing)
        forward.put(b"export")
        task = asyncio.ensure_future(forward.run())
        said = ""
        async with asyncio.timeout(20):
            while "tracing.not_forwarded" not in said:
                await asyncio.sleep(0.01)
                said += capsys.readouterr().out
        task.cancel()
        assert f"it answers {status}" in said
        export = span_export(tracing, SOCKET)
        if export is not None:  # the SDK is an extra
            request = Request(1, "Version", trace=TraceContext("a" * 32, "b" * 16), api="v1")
            request.end("OK", "")
            export.closed(request)
            await export.close()
    assert got == ["geheim"] * (1 if export is None else 2)
