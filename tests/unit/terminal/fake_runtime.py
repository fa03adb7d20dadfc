"""Something that answers on a CRI socket: a daemon of any age, another runtime, or one that does not answer."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def now() -> float:
    """Return the time; a case may run long after its module was read."""
    return time.time()


def part(name: str, **fields: Any) -> dict[str, Any]:
    """Return a part as the daemon writes it."""
    usual = {"ready": True, "reason": "", "detail": "", "since": now() - 7500, "last_error": "", "last_error_at": None}
    return {"name": name, **usual, **fields}


def daemon_info(**fields: Any) -> dict[str, Any]:
    """Return what a daemon says about itself."""
    return {
        "version": "0.3.0",
        "pid": 4711,
        "started_at": now() - 7500,
        "config_file": "/etc/cri-shim/other.toml",
        "containerd_version": "1.7.24",
        "containerd_address": "/run/containerd/containerd.sock",
        "containerd_namespace": "k8s.io",
        "connects": 1,
        "http_address": "127.0.0.1:9735",
        "parts": [
            part("containerd"),
            part("network", detail="mynet", last_error="no network config found in /x", last_error_at=now() - 90),
            part("sandbox image", ready=None, reason="not here yet", detail="pause:1"),
        ],
        "pods": {"ready": 3, "notready": 1},
        "containers": {"running": 5},
        "images": 7,
        "pulls_in_flight": 1,
        "operations": 0,
        "null_hop_ms": 0.123,
        "null_hop_error_ms": 0.011,
        "front_ms": 0.4,
        "front_error_ms": 0.1,
        "loop_lag_ms": 0.2,
        "loop_lag_last_minute_ms": 1.4,
        "loop_lag_max_ms": 9.0,
    } | fields


def status(*, info: dict[str, str] | None = None, runtime: str = "", network: str = "") -> cri.StatusResponse:
    """Return a Status; a text is the reason why a condition is false."""
    return cri.StatusResponse(
        status=cri.RuntimeStatus(
            conditions=[
                cri.RuntimeCondition(type="RuntimeReady", status=not runtime, message=runtime),
                cri.RuntimeCondition(type="NetworkReady", status=not network, message=network),
            ]
        ),
        info=info or {},
        runtime_handlers=[cri.RuntimeHandler(name=name) for name in ("", "runc", "crun")],
    )


def new_status(**fields: Any) -> cri.StatusResponse:
    """Return the Status of a daemon that is ready, with some values of its own."""
    config = {"containerd": {"default_runtime_name": "runc"}}
    return status(info={"daemon": json.dumps(daemon_info(**fields)), "config": json.dumps(config)})


class Runtime:
    """The answers; a test may change them while it serves. One that is an exception is raised."""

    def __init__(self, name: str = "cri-shim") -> None:
        self.answers: dict[str, Any] = {
            "Version": cri.VersionResponse(
                version="0.1.0", runtime_name=name, runtime_version="0.3.0", runtime_api_version="v1"
            ),
            "Status": new_status(),
        }
        self.calls: list[str] = []

    def answer(self, method: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        """Return the function that answers a method."""

        def behave(_request: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls.append(method)
            answer = self.answers.get(method)
            if callable(answer):
                answer = answer()
            if answer is None:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, f"unknown method {method}")
            if isinstance(answer, grpc.StatusCode):
                context.abort(answer, "in a bad mood")
            return bytes(answer.SerializeToString())

        return behave


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def service(self, details: Any) -> Any:
        method = details.method.removeprefix("/runtime.v1.RuntimeService/")
        return grpc.unary_unary_rpc_method_handler(self._runtime.answer(method))


@contextmanager
def serving(path: Path, runtime: Runtime) -> Iterator[Runtime]:
    """Serve on the socket ``path``."""
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers([_Handlers(runtime)])
    server.add_insecure_port(f"unix://{path}")
    server.start()
    try:
        yield runtime
    finally:
        server.stop(None).wait()
