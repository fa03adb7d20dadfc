"""RemovePodSandbox: stop a pod if necessary and remove everything that belongs to it.

Idempotent: removing an unknown pod succeeds. The record goes last, and only when everything else has gone, so that a
crash or a failure on the way leaves the pod listed and the removal can be repeated (docs/adr/0028). CRI: "if there are
any running containers in the sandbox, they must be forcibly terminated and removed".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.overlap import every
from cri_shim.disk.pod_directories import remove_pod_files
from cri_shim.kernel.executors import FS, MOUNT, run
from cri_shim.lifecycle.hanging_runtime import hanging_ended
from cri_shim.lifecycle.orphaned_cgroups import clear_cgroups
from cri_shim.lifecycle.records import delete_record
from cri_shim.lifecycle.removal_errors import removal_of
from cri_shim.lifecycle.snapshots import remove_snapshots_of
from cri_shim.lifecycle.task_end import end_task
from cri_shim.rpc.container_remove import remove
from cri_shim.rpc.sandbox_stop import stop
from cri_shim.sync.orphaned_shims import end_orphaned_shims

if TYPE_CHECKING:
    from cri_shim.service import Service


async def remove_pod_sandbox(service: Service, request: cri.RemovePodSandboxRequest) -> cri.RemovePodSandboxResponse:
    """Remove a pod and its containers; an unknown id is success.

    Raises FailedPreconditionError when something on the node holds what belongs to the pod, and the errors of CNI or
    containerd.
    """
    sandbox = service.sandboxes.find(request.pod_sandbox_id)
    if sandbox is not None:
        id_ = sandbox.id
        await service.operations.run(f"remove/{id_}", lambda: _remove(service, id_))
    return cri.RemovePodSandboxResponse()


async def _remove(service: Service, id_: str) -> None:
    await stop(service, id_)
    members = [container.id for container in service.containers if container.sandbox_id == id_]
    await every(*(remove(service, member) for member in members))
    # The exit is recorded before the task is deleted, and the lock is held until then.
    async with service.locks.of(id_):
        with removal_of(f"sandbox {id_}"):
            await _leave_nothing(service, id_, members)


async def _leave_nothing(service: Service, id_: str, members: list[str]) -> None:
    sandbox = service.sandboxes.get(id_)
    if sandbox.pinned is None:
        async with hanging_ended(service.config, service.sandboxes, service.containers, id_):
            await end_task(service.containerd, service.exits, f"sandbox {id_}", id_)
    if sandbox.recovered or sandbox.unknown_reason:
        containerd = service.config.containerd
        await run(FS, end_orphaned_shims, containerd.address, containerd.namespace, {id_, *members})
        await clear_cgroups(service.config, sandbox, [id_, *members])
    await every(
        remove_snapshots_of(service.config, service.containerd, service.end_orphaned_task, id_),
        run(MOUNT, remove_pod_files, service.kernel, service.paths, id_),
    )
    await delete_record(service.containerd, id_)
    service.sandboxes.drop(id_)
    service.sandbox_names.release(id_)
