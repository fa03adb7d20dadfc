"""StreamContainerStats: stream what ListContainerStats lists, some containers at a time.

Each container is measured right before it is sent.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.batches import measured_batches
from cri_shim.rpc.container_stats_list import measurable, measure_containers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cri_shim.service import Service

AT_ONCE = 16
"""Containers in one message; each takes a kilobyte or two."""


async def stream_container_stats(
    service: Service, request: cri.StreamContainerStatsRequest
) -> AsyncGenerator[cri.StreamContainerStatsResponse]:
    """Return a stream of the containers that exist now, filtered as in the list."""
    containers = measurable(service.containers, request.filter)
    measure = partial(measure_containers, service)
    return measured_batches(cri.StreamContainerStatsResponse, "container_stats", containers, AT_ONCE, measure)
