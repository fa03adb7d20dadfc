"""StreamPodSandboxStats: stream what ListPodSandboxStats lists, some pods at a time.

Each pod is measured right before it is sent.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.batches import measured_batches
from cri_shim.rpc.sandbox_stats_list import add_pods, measurable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cri_shim.service import Service

AT_ONCE = 8
"""Pods in one message; each takes some kilobytes."""


async def stream_pod_sandbox_stats(
    service: Service, request: cri.StreamPodSandboxStatsRequest
) -> AsyncGenerator[cri.StreamPodSandboxStatsResponse]:
    """Return a stream of the pods that are ready now, filtered as in the list."""
    sandboxes = measurable(service.sandboxes, request.filter)
    measure = partial(add_pods, service)
    return measured_batches(cri.StreamPodSandboxStatsResponse, "pod_sandbox_stats", sandboxes, AT_ONCE, measure)
