"""StreamContainerStats: what ListContainerStats gives, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.batches import batches
from cri_shim.rpc.container_stats_list import list_container_stats

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cri_shim.service import Service


async def stream_container_stats(
    service: Service, request: cri.StreamContainerStatsRequest
) -> AsyncGenerator[cri.StreamContainerStatsResponse]:
    """The statistics of one moment, filtered as in the list."""
    listed = await list_container_stats(service, cri.ListContainerStatsRequest(filter=request.filter))
    return batches(cri.StreamContainerStatsResponse, "container_stats", listed.stats)
