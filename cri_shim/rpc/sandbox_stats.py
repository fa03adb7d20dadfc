"""PodSandboxStats: return what one pod uses."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import UnavailableError
from cri_shim.rpc.sandbox_stats_list import measure_pods

if TYPE_CHECKING:
    from cri_shim.service import Service


async def pod_sandbox_stats(service: Service, request: cri.PodSandboxStatsRequest) -> cri.PodSandboxStatsResponse:
    """Return the statistics of the pod with the given id.

    Raises NotFoundError, and UnavailableError for a pod that is not ready.
    """
    sandbox = service.sandboxes.get(request.pod_sandbox_id)
    if not sandbox.ready:
        raise UnavailableError(
            f"sandbox {sandbox.id} {sandbox.unready_reason}, so it has no statistics; "
            "stop and remove it, or ask for a ready one"
        )
    response = cri.PodSandboxStatsResponse()
    await measure_pods(service, [sandbox], lambda _: nullcontext(response.stats))
    return response
