"""Nodes of these tests: each has its own settings, so each test file brings its own up."""

from __future__ import annotations

import json
import shutil
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass

from lab.cri_client import OPTIONS, SERVICES

if TYPE_CHECKING:
    from lab.lab import Lab


def need_containerd() -> None:
    """Skip where there is none."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")


def need_spans(lab: Lab) -> None:
    """Skip where containerd exports no server spans: 1.6, and builds without the instrumentation of its gRPC server."""
    program = Path(shutil.which(lab.containerd.daemon.command[0]) or lab.containerd.daemon.command[0])
    if lab.containerd.version < (1, 7) or b"otelgrpc" not in program.read_bytes():
        version = ".".join(map(str, lab.containerd.version))
        pytest.skip(
            f"this containerd {version} exports no server spans of its gRPC services; that of test-all's 2.1 does"
        )


async def call(lab: Lab, name: str, traceparent: str = "", **fields: Any) -> tuple[Any, dict[str, str]]:
    """Make a call, as part of a trace; its response and its trailing metadata."""
    service, method = next(
        (service.full_name, method)
        for service in SERVICES.values()
        for method in service.methods
        if method.name == name
    )
    request = GetMessageClass(method.input_type)(**fields)
    async with grpc.aio.insecure_channel(lab.endpoint, options=OPTIONS) as channel:
        calling = channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )(request, metadata=(("traceparent", traceparent),) if traceparent else (), timeout=60)
        response = await calling
        return response, {key: str(value) for key, value in await calling.trailing_metadata()}


def get(lab: Lab, path: str) -> Any:
    """Ask the daemon's HTTP listener. Blocks: call it in a thread."""
    address = (lab.bridge.state / "http-address").read_text().strip()
    with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as response:
        return json.load(response)
