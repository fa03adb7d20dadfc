"""StreamPodSandboxMetrics: what ListPodSandboxMetrics gives, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.batches import batches
from cri_shim.rpc.sandbox_metrics import list_pod_sandbox_metrics

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cri_shim.service import Service


async def stream_pod_sandbox_metrics(
    service: Service, _request: cri.StreamPodSandboxMetricsRequest
) -> AsyncGenerator[cri.StreamPodSandboxMetricsResponse]:
    """The metrics of one moment."""
    listed = await list_pod_sandbox_metrics(service, cri.ListPodSandboxMetricsRequest())
    return batches(cri.StreamPodSandboxMetricsResponse, "pod_sandbox_metrics", listed.pod_metrics)
