"""RunPodSandbox: make a pod and start it.

Order (the in-process plugin does these one after another; what does not depend on each other overlaps here):

1. reserve the name; resolve the runtime handler
2. at once: the sandbox image · the network namespace · the pod's files
3. write the containerd record (from here on a crash leaves something that is listed and can be removed)
4. at once: CNI ADD and its result into the record · snapshot, task, start
5. the pod is ready

A pod that needs no process (:mod:`cri_shim.lifecycle.pinned_pod`) does 2 and 3 at once, without an image, and of 4 the
network only.

A retry with the same name and the same configuration gets the same pod: while it is being made it waits for it,
afterwards it is told its id (docs/adr/0003). Differences from the plugin: the record comes before the network, and no
lease is taken (docs/adr/0002).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.images.image_files import NO_USER_FILES
from cri_shim.kernel.executors import MOUNT, run
from cri_shim.lifecycle.handlers import snapshotter_of
from cri_shim.lifecycle.id_mapping import id_map_of, mapped, require_user_namespaces
from cri_shim.lifecycle.pinned_pod import make_pinned, may_be_pinned, set_sysctls_of_interfaces
from cri_shim.lifecycle.pod_files import pod_files, write_pod_files
from cri_shim.lifecycle.pod_network import pod_network
from cri_shim.lifecycle.records import delete_record, labels_of, make_record, new_id
from cri_shim.lifecycle.sandbox_spec import sandbox_spec
from cri_shim.lifecycle.snapshots import mount_label_of, prepare_snapshot, remove_snapshot
from cri_shim.lifecycle.termination import discard_task
from cri_shim.oci.labels import SANDBOX
from cri_shim.oci.users import plan_sandbox_user, resolve_user
from cri_shim.ops.overlap import every, overlap
from cri_shim.ops.rollback import Rollback
from cri_shim.store.metadata import SANDBOX_EXTENSION, sandbox_extension
from cri_shim.store.names import sandbox_name
from cri_shim.store.pod_directories import pin_namespaces, remove_pod_files
from cri_shim.store.sandboxes import Sandbox
from cri_shim.timeline import stage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from cri_shim.config import RuntimeHandler
    from cri_shim.service import Service
    from cri_shim.store.images import Image

log = structlog.get_logger(__name__)


async def run_pod_sandbox(service: Service, request: cri.RunPodSandboxRequest) -> cri.RunPodSandboxResponse:
    """Make and start a pod; the answer comes when its network is up and its process runs.

    Raises InvalidArgumentError for a request that cannot be carried out, AlreadyExistsError when the name belongs to
    a pod with another configuration, and what CNI or containerd could not do.
    """
    metadata = request.config.metadata
    if not metadata.name or not metadata.namespace or not metadata.uid:
        raise InvalidArgumentError("pod sandbox config needs metadata with name, namespace and uid")
    name = sandbox_name(metadata)

    async def work() -> str:
        about = {"sandbox.name": name, "runtime.handler": request.runtime_handler}
        with stage("cri.sandbox.run", about) as running:
            sandbox = await _run(service, request, name)
            running.tell(_told(sandbox))
            return sandbox.id

    sandbox_id = await service.operations.run(f"run/{name}", work)
    return cri.RunPodSandboxResponse(pod_sandbox_id=sandbox_id)


def _told(sandbox: Sandbox) -> dict[str, str]:
    """What a trace says of a pod that runs, under the names that the in-process plugin uses."""
    told = {"sandbox.id": sandbox.id, "sandbox.pid": str(sandbox.pid), "netns.path": sandbox.netns_path}
    if sandbox.ips:
        told |= {"sandbox.ip": sandbox.ips[0], "sandbox.additional_ips.count": str(len(sandbox.ips) - 1)}
    return told


async def _run(service: Service, request: cri.RunPodSandboxRequest, name: str) -> Sandbox:
    finished = _made_before(service, request, name)
    if finished is not None:
        log.info("sandbox.found_again", sandbox_id=finished.id, name=name)
        return finished
    handler = service.config.runtime_handler(request.runtime_handler)
    process_label = service.selinux.of_pod(request.config.linux.security_context.selinux_options)
    sandbox = Sandbox(
        id=new_id(), name=name, config=request.config, created_at=0, runtime_handler=request.runtime_handler
    )
    require_user_namespaces(service, handler, id_map_of(sandbox), host_network=sandbox.host_network)
    if not sandbox.host_network:
        sandbox = sandbox.but(netns_path=str(service.paths.new_netns()))
    sandbox = sandbox.but(process_label=process_label)
    service.sandbox_names.reserve(name, sandbox.id)
    async with Rollback(
        f"sandbox {sandbox.id}", on_incomplete=lambda why: service.sandboxes.put(sandbox.but(trouble=why))
    ) as undo:
        undo.push("release the name", _release_name(service, sandbox.id))
        make = _make_pinned if may_be_pinned(service, sandbox, handler) else _make_with_pause
        sandbox = await make(service, sandbox, handler, undo)
    service.sandboxes.put(sandbox)
    await service.exits.claim_early(sandbox.id)
    return sandbox


async def _make_with_pause(service: Service, sandbox: Sandbox, handler: RuntimeHandler, undo: Rollback) -> Sandbox:
    with stage("cri.sandbox.prepare"):
        image = await _sandbox_image_and_ground(service, sandbox, handler, undo)
        described = await _record(service, sandbox, handler, image)
    with stage("client.NewContainer"):
        record = await service.containerd.containers.create(described)
    undo.push("delete the record", lambda: delete_record(service, sandbox.id))
    sandbox = sandbox.but(created_at=record.created_at.ToNanoseconds())
    pid, (ips, cni_result) = await overlap(
        _start_pause(service, sandbox, record, image, undo), _set_up_network(service, sandbox, undo)
    )
    return sandbox.but(pid=pid, ips=ips, cni_result=cni_result)


async def _make_pinned(service: Service, sandbox: Sandbox, handler: RuntimeHandler, undo: Rollback) -> Sandbox:
    with stage("cri.sandbox.prepare"):
        sandbox, sysctls = await make_pinned(service, sandbox, handler, undo)
    ips, cni_result = await _set_up_network(service, sandbox, undo)
    await set_sysctls_of_interfaces(service, sandbox, sysctls)
    return sandbox.but(ips=ips, cni_result=cni_result)


def _made_before(service: Service, request: cri.RunPodSandboxRequest, name: str) -> Sandbox | None:
    """The pod that an earlier request of the same words made, if the client lost the answer."""
    holder = service.sandbox_names.holder(name)
    sandbox = None if holder is None else service.sandboxes.find(holder)
    if sandbox is None or not sandbox.ready:
        return None
    same = sandbox.config == request.config and sandbox.runtime_handler == request.runtime_handler
    return sandbox if same else None


def _release_name(service: Service, sandbox_id: str) -> Any:
    async def release() -> None:
        service.sandbox_names.release(sandbox_id)

    return release


async def _sandbox_image_and_ground(
    service: Service, sandbox: Sandbox, handler: RuntimeHandler, undo: Rollback
) -> Image:
    """Everything that the record needs to exist or to name: image, network namespace, files."""
    files = pod_files(service.paths, sandbox.id, sandbox.config)

    async def make_namespaces() -> None:
        mapping = id_map_of(sandbox)
        if sandbox.netns_path or mapping is not None:
            await run(MOUNT, pin_namespaces, service.kernel, service.paths, sandbox.id, sandbox.netns_path, mapping)

    undo.push("remove the pod's files", lambda: run(MOUNT, remove_pod_files, service.kernel, service.paths, sandbox.id))
    found: list[Image] = []

    async def find_image() -> None:
        found.append(
            await service.puller.ensure(service.config.image.sandbox_image, snapshotter_of(service.config, handler))
        )

    await every(make_namespaces(), run(MOUNT, write_pod_files, service.kernel, files, sandbox.config), find_image())
    return found[0]


async def _record(service: Service, sandbox: Sandbox, handler: RuntimeHandler, image: Image) -> Record:
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


async def _start_pause(service: Service, sandbox: Sandbox, record: Record, image: Image, undo: Rollback) -> int:
    undo.push("remove the snapshot", lambda: remove_snapshot(service, record.snapshotter, record.id))
    mounts = await prepare_snapshot(service, record.snapshotter, record.id, image, mount_label_of(record))
    undo.push("end the sandbox process", lambda: discard_task(service, record.id))
    userns = str(service.paths.pinned_userns(sandbox.id))
    async with mapped(service, sandbox, sandbox.id, mounts, userns=userns, sources={}) as rootfs:
        with stage("container.NewTask"):
            pid = await service.containerd.tasks.create(record.id, rootfs=rootfs)
    with stage("client.task.Start"):
        await service.containerd.tasks.start(record.id)
    return pid


async def _set_up_network(
    service: Service, sandbox: Sandbox, undo: Rollback
) -> tuple[tuple[str, ...], Mapping[str, Any] | None]:
    if sandbox.host_network:
        return (), None
    pod = pod_network(sandbox)
    # Before, not after: a plugin that fails may have taken an address already.
    undo.push("tear down the pod network", lambda: service.network.teardown(pod, None))
    with stage("cni.setup_pod_network"):
        result = await service.network.setup(pod)
    connected = sandbox.but(ips=result.ips, cni_result=result.stored)
    update = containers_pb2.Container(id=sandbox.id)
    update.extensions[SANDBOX_EXTENSION].CopyFrom(sandbox_extension(connected))
    await service.containerd.containers.update(update, f"extensions.{SANDBOX_EXTENSION}")
    return connected.ips, connected.cni_result
