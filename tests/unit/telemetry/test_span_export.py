"""Making an exporter, and what is missing for it."""

from __future__ import annotations

import sys

import pytest

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
