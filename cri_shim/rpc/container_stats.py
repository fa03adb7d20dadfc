"""ContainerStats: return what one container uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.container_stats_list import container_subjects, fill_stats, measured_layers

if TYPE_CHECKING:
    from cri_shim.service import Service


async def container_stats(service: Service, request: cri.ContainerStatsRequest) -> cri.ContainerStatsResponse:
    """Return the statistics of the container with the given id; raises NotFoundError.

    A container that does not run has statistics of its writable layer only.
    """
    container = service.containers.get(request.container_id)
    layers = await measured_layers(service.config, service.sandboxes, service.snapshot_usage, [container])
    readings = await service.stats.read(container_subjects([container]))
    response = cri.ContainerStatsResponse()
    fill_stats(response.stats, container, readings, layers)
    return response
