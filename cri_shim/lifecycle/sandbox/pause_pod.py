"""Make a pod whose namespaces are held by a process, the pause container: the usual kind.

Each step waits only for these:

* the network namespace and the pod's files: for nothing
* the containerd record: for the image
* the snapshot: for the image, too; it protects itself from garbage collection (docs/adr/0019)
* CNI ADD: for the namespace, and for the record, so that a crash leaves something that is listed; it goes on to its end
  even if the task cannot be made (docs/adr/0027)
* the task: for the snapshot, the namespace and the files; its start for the task
* the answer: for the task and the network, but not for the start, if the runtime is plain runc, and not for recording
  the network (:mod:`cri_shim.lifecycle.sandbox.background_start`)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.encoding.timestamps import nanoseconds
from cri_shim.concurrency.overlap import both, every
from cri_shim.disk.pod_directories import pin_namespaces, remove_pod_files
from cri_shim.disk.pod_file_paths import pod_files
from cri_shim.images.image_files import NO_USER_FILES
from cri_shim.kernel.executors import MOUNT, run
from cri_shim.lifecycle.container.id_mapping import id_map_of, mapped
from cri_shim.lifecycle.handlers import snapshotter_of
from cri_shim.lifecycle.hanging_runtime import hanging_ended
from cri_shim.lifecycle.records import delete_record, labels_of, make_record
from cri_shim.lifecycle.sandbox.background_start import (
    begin_recording,
    begin_start,
    fail_if_failed,
    wait_or_end_background_start,
)
from cri_shim.lifecycle.sandbox.pod_files import write_pod_files
from cri_shim.lifecycle.sandbox.pod_network import set_up_network
from cri_shim.lifecycle.sandbox.sandbox_spec import sandbox_spec
from cri_shim.lifecycle.snapshots import begin_snapshot, mount_label_of
from cri_shim.lifecycle.termination import discard_task
from cri_shim.oci.labels import SANDBOX
from cri_shim.oci.users import plan_sandbox_user, resolve_user
from cri_shim.state.stored.metadata import SANDBOX_EXTENSION, sandbox_extension
from cri_shim.timeline import stage

if TYPE_CHECKING:
    import asyncio

    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from containerd_client.api.containerd.types.types_pb2 import Mount
    from cri_shim.concurrency.rollback import Rollback
    from cri_shim.config import RuntimeHandler
    from cri_shim.images.store import Image
    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths
    from cri_shim.service import Service
    from cri_shim.state.sandboxes import Sandbox


async def make_with_pause(service: Service, sandbox: Sandbox, handler: RuntimeHandler, undo: Rollback) -> Sandbox:
    """Make the files, the namespaces, the record, the pause container and the network of a pod.

    Returns the pod's new value. Raises InvalidArgumentError or FailedPreconditionError for what cannot be done as
    requested, and the errors of CNI or containerd.
    """
    undo.push("remove the pod's files", lambda: run(MOUNT, remove_pod_files, service.kernel, service.paths, sandbox.id))
    with stage("cri.sandbox.prepare"):
        (record, mounts), _ = await both(
            _record(service, sandbox, handler, undo), _ground(service.kernel, service.paths, sandbox)
        )
    sandbox = sandbox.replace(created_at=nanoseconds(record.created_at))

    async def connect() -> tuple[Sandbox, asyncio.Task[None]]:
        connected = await set_up_network(service.network, sandbox, undo)
        return connected, begin_recording(service, connected, undo)

    making = _make_pause(service, sandbox, handler, mounts, undo)
    (pid, start), (connected, recording) = await both(making, connect())
    fail_if_failed(start, recording)
    return connected.replace(pid=pid, starting=not start.done())


async def _ground(kernel: Kernel, paths: Paths, sandbox: Sandbox) -> None:
    """Make what the task and the network need on the node: the network namespace and the pod's files."""
    files = pod_files(paths, sandbox.id, sandbox.config)

    async def make_namespaces() -> None:
        mapping = id_map_of(sandbox)
        if sandbox.netns_path or mapping is not None:
            await run(MOUNT, pin_namespaces, kernel, paths, sandbox.id, sandbox.netns_path, mapping)

    await every(make_namespaces(), run(MOUNT, write_pod_files, kernel, files, sandbox.config))


async def _record(
    service: Service, sandbox: Sandbox, handler: RuntimeHandler, undo: Rollback
) -> tuple[Record, asyncio.Task[list[Mount]]]:
    """Write the record, and begin the snapshot, which may still be in preparation when this returns."""
    snapshotter = snapshotter_of(service.config, handler)
    image = await service.puller.ensure(service.config.image.sandbox_image, snapshotter)
    described = await _described(service, sandbox, handler, image)
    mounts = begin_snapshot(
        service.containerd,
        service.puller,
        snapshotter,
        sandbox.id,
        image,
        undo=undo,
        mount_label=mount_label_of(described),
    )
    undo.push("delete the record", lambda: delete_record(service.containerd, sandbox.id))
    with stage("client.NewContainer"):
        record = await service.containerd.containers.create(described)
    return record, mounts


async def _described(service: Service, sandbox: Sandbox, handler: RuntimeHandler, image: Image) -> Record:
    snapshotter = snapshotter_of(service.config, handler)
    image_name = service.config.image.sandbox_image
    plan = plan_sandbox_user(sandbox.config.linux.security_context, image.config)
    users = await service.image_files.users(snapshotter, image.chain_id) if plan.needs_files else NO_USER_FILES
    user = resolve_user(plan, users.passwd, users.group)
    return make_record(
        sandbox.id,
        handler=handler,
        snapshotter=snapshotter,
        image=image_name,
        spec=await sandbox_spec(service, sandbox, handler, image=image.config, image_name=image_name, user=user),
        labels=labels_of(sandbox.id, sandbox.config.labels, image, SANDBOX),
        extension=(SANDBOX_EXTENSION, sandbox_extension(sandbox)),
    )


async def _make_pause(
    service: Service, sandbox: Sandbox, handler: RuntimeHandler, mounts: asyncio.Task[list[Mount]], undo: Rollback
) -> tuple[int, asyncio.Task[None]]:
    """Create the task of the pause container; return its pid and its start.

    The start has begun; if it may fail, it has also ended.
    """
    rootfs = await mounts

    async def end() -> None:
        await wait_or_end_background_start(service, sandbox.id)
        await discard_task(service.config, service.containerd, sandbox, sandbox.id)

    undo.push("end the sandbox process", end)
    userns = str(service.paths.pinned_userns(sandbox.id))
    async with mapped(
        service.kernel, service.paths, sandbox, sandbox.id, rootfs, userns=userns, sources={}
    ) as mapped_rootfs:
        service.cgroup_moves.prepare()
        with stage("container.NewTask"):
            async with hanging_ended(
                service.config, service.sandboxes, service.containers, sandbox.id, sandbox.runtime_handler
            ):
                pid = await service.shim_calls.create_task(sandbox.id, handler, rootfs=mapped_rootfs)
    return pid, await begin_start(service, sandbox, handler)
