"""StreamPodSandboxes: stream what ListPodSandbox lists, in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.batches import batches
from cri_shim.rpc.sandbox_list import matching

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cri_shim.service import Service


async def stream_pod_sandboxes(
    service: Service, request: cri.StreamPodSandboxesRequest
) -> AsyncGenerator[cri.StreamPodSandboxesResponse]:
    """Return a stream of the pods that exist now, filtered as in the list."""
    sandboxes = list(matching(service.sandboxes, request.filter))
    return batches(cri.StreamPodSandboxesResponse, "pod_sandboxes", (sandbox.to_cri() for sandbox in sandboxes))
