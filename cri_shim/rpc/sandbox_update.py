"""UpdatePodSandboxResources: record what the kubelet has just changed in a pod's own cgroup.

The cgroup around a pod belongs to the kubelet, which makes the change itself and then informs the runtime. The daemon
keeps the new values in the pod's stored configuration, where they survive a restart and where containerd's own plugin
finds them, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle.running import require_ready
from cri_shim.lifecycle.sandbox.background_start import wait_background_start
from cri_shim.state.stored.metadata import SANDBOX_EXTENSION, sandbox_extension

if TYPE_CHECKING:
    from cri_shim.service import Service


async def update_pod_sandbox_resources(
    service: Service, request: cri.UpdatePodSandboxResourcesRequest
) -> cri.UpdatePodSandboxResourcesResponse:
    """Replace the pod's ``overhead`` and ``resources``; what the request does not set stays as it is.

    Raises NotFoundError, and FailedPreconditionError for a pod that is not ready.
    """
    id_ = service.sandboxes.get(request.pod_sandbox_id).id
    await service.operations.run(f"update/{id_}/{id(request)}", lambda: _update(service, id_, request))
    return cri.UpdatePodSandboxResourcesResponse()


async def _update(service: Service, id_: str, request: cri.UpdatePodSandboxResourcesRequest) -> None:
    await wait_background_start(service, id_)
    async with service.locks.of(id_):
        sandbox = service.sandboxes.get(id_)
        require_ready(sandbox, "its resources cannot be updated")
        config = updated_config(sandbox.config, request)
        record = containers_pb2.Container(id=id_)
        record.extensions[SANDBOX_EXTENSION].CopyFrom(sandbox_extension(sandbox.replace(config=config)))
        await service.containerd.containers.update(record, f"extensions.{SANDBOX_EXTENSION}")
        service.sandboxes.update(id_, lambda current: current.replace(config=config))


def updated_config(config: cri.PodSandboxConfig, request: cri.UpdatePodSandboxResourcesRequest) -> cri.PodSandboxConfig:
    """Return a copy of ``config`` with the parts that ``request`` sets."""
    changed = cri.PodSandboxConfig()
    changed.CopyFrom(config)
    for part in ("overhead", "resources"):
        if request.HasField(part):
            getattr(changed.linux, part).CopyFrom(getattr(request, part))
    return changed
