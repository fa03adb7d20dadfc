"""StreamPodSandboxStats: what ListPodSandboxStats gives, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.batches import batches
from cri_shim.rpc.sandbox_stats_list import list_pod_sandbox_stats

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cri_shim.service import Service


async def stream_pod_sandbox_stats(
    service: Service, request: cri.StreamPodSandboxStatsRequest
) -> AsyncGenerator[cri.StreamPodSandboxStatsResponse]:
    """The statistics of one moment, filtered as in the list."""
    listed = await list_pod_sandbox_stats(service, cri.ListPodSandboxStatsRequest(filter=request.filter))
    return batches(cri.StreamPodSandboxStatsResponse, "pod_sandbox_stats", listed.stats)
