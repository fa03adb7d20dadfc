"""StreamContainers: stream what ListContainers lists, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.batches import batches
from cri_shim.rpc.container_list import matching

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cri_shim.service import Service


async def stream_containers(
    service: Service, request: cri.StreamContainersRequest
) -> AsyncGenerator[cri.StreamContainersResponse]:
    """Return a stream of the containers that exist now, filtered as in the list."""
    containers = list(matching(service.containers, request.filter))
    return batches(cri.StreamContainersResponse, "containers", (container.to_cri() for container in containers))
