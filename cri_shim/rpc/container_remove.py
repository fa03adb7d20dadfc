"""RemoveContainer: end a container, by force if necessary, and remove everything that belongs to it.

Idempotent: removing an unknown container succeeds. The record goes last, and only when everything else has gone, so
that a crash or a failure on the way leaves the container listed and the removal can be repeated (docs/adr/0028).
Nothing here writes to the disk, because removing is what makes room on a full one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.overlap import every
from cri_shim.disk.container_directories import remove_container_files
from cri_shim.kernel.executors import FS, run
from cri_shim.lifecycle.container.id_mapping import remove_mapped
from cri_shim.lifecycle.container.image_mounts import remove_image_mounts
from cri_shim.lifecycle.hanging_runtime import hanging_ended
from cri_shim.lifecycle.orphaned_cgroups import clear_cgroups
from cri_shim.lifecycle.records import delete_record
from cri_shim.lifecycle.removal_errors import removal_of
from cri_shim.lifecycle.snapshots import remove_snapshots_of
from cri_shim.lifecycle.task_end import end_task
from cri_shim.rpc.container_stop import stop

if TYPE_CHECKING:
    from cri_shim.service import Service
    from cri_shim.state.containers import Container


async def remove_container(service: Service, request: cri.RemoveContainerRequest) -> cri.RemoveContainerResponse:
    """Remove a container; an unknown id is success.

    Raises FailedPreconditionError when something on the node holds what belongs to the container, and the errors of
    every other step that failed.
    """
    container = service.containers.find(request.container_id)
    if container is not None:
        id_ = container.id
        await service.operations.run(f"remove/{id_}", lambda: remove(service, id_))
    return cri.RemoveContainerResponse()


async def remove(service: Service, id_: str) -> None:
    """Remove the container with the full id ``id_``."""
    service.containers.update(id_, lambda c: c.replace(removing=True))
    try:
        await stop(service, id_, grace=0)
        # The exit is recorded before the task is deleted, and the deletion holds the lock.
        async with service.locks.of(id_):
            container = service.containers.exact(id_)
            if container is not None:  # another removal, for example of the pod, may have ended meanwhile
                with removal_of(f"container {id_}"):
                    await _leave_nothing(service, container)
    finally:
        service.containers.update(id_, lambda c: c.replace(removing=False))  # still known only if the removal failed


async def _leave_nothing(service: Service, container: Container) -> None:
    id_ = container.id
    service.logs.close(id_)
    async with hanging_ended(service.config, service.sandboxes, service.containers, container.sandbox_id):
        await end_task(service.containerd, service.exits, f"container {id_}", id_)
    sandbox = service.sandboxes.exact(container.sandbox_id)
    if sandbox is not None and not container.status.started_at:
        await clear_cgroups(service.config, sandbox, [id_])
    await every(
        remove_snapshots_of(service.config, service.containerd, service.end_orphaned_task, id_),
        remove_image_mounts(service.containerd, service.kernel, service.paths, container),
        remove_mapped(service.kernel, service.paths, container),
        run(FS, remove_container_files, service.paths, id_),
    )
    await delete_record(service.containerd, id_)
    service.containers.drop(id_)
    service.container_names.release(id_)
