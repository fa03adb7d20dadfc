"""StreamPodSandboxMetrics: stream what ListPodSandboxMetrics lists, some pods at a time.

Each pod is measured right before it is sent.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.batches import measured_batches
from cri_shim.rpc.sandbox_metrics import add_metrics

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cri_shim.service import Service

AT_ONCE = 2
"""Pods in one message; each takes some fifteen kilobytes."""


async def stream_pod_sandbox_metrics(
    service: Service, _request: cri.StreamPodSandboxMetricsRequest
) -> AsyncGenerator[cri.StreamPodSandboxMetricsResponse]:
    """Return a stream of the pods that are ready now."""
    sandboxes = [sandbox for sandbox in service.sandboxes if sandbox.ready]
    measure = partial(add_metrics, service)
    return measured_batches(cri.StreamPodSandboxMetricsResponse, "pod_sandbox_metrics", sandboxes, AT_ONCE, measure)
