"""CreateContainer: everything of a container but its process.

Order: reserve the name · find the image (it must be here already) · at once: directories and FIFO places, the node's
side of mounts and devices, users of the image · write the containerd record · at once: snapshot, image volumes ·
status checkpoint · listed. A retry of the same words gets the same container while it has not been started
(docs/adr/0003).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError
from cri_shim.images.image_files import NO_USER_FILES
from cri_shim.kernel.executors import FS, run
from cri_shim.lifecycle.handlers import base_spec, snapshotter_of, spec_options
from cri_shim.lifecycle.host_mounts import resolve_mounts
from cri_shim.lifecycle.pod_files import pod_files, pod_hostname
from cri_shim.lifecycle.records import delete_record, labels_of, make_record, new_id
from cri_shim.lifecycle.seccomp_file import read_seccomp_profile
from cri_shim.lifecycle.snapshots import prepare_snapshot, remove_snapshot
from cri_shim.oci.container_spec import ContainerSpecInput, build_container_spec
from cri_shim.oci.labels import CONTAINER
from cri_shim.oci.mounts import ResolvedMount, clean, pod_file_mounts
from cri_shim.oci.node import read_apparmor_profiles, read_device_grants, read_host_devices
from cri_shim.oci.resources import container_resources, container_user
from cri_shim.oci.stop_signal import signal_number
from cri_shim.oci.users import plan_user, resolve_user
from cri_shim.ops.overlap import overlap
from cri_shim.ops.rollback import Rollback
from cri_shim.store.checkpoint import write_status
from cri_shim.store.container_directories import make_container_dirs, remove_container_files
from cri_shim.store.containers import Container, Status
from cri_shim.store.metadata import CONTAINER_EXTENSION, container_extension
from cri_shim.store.names import container_name

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from cri_shim.config import RuntimeHandler
    from cri_shim.oci.devices import DeviceGrant, DeviceNode
    from cri_shim.service import Service
    from cri_shim.store.images import Image
    from cri_shim.store.sandboxes import Sandbox

log = structlog.get_logger(__name__)


async def create_container(service: Service, request: cri.CreateContainerRequest) -> cri.CreateContainerResponse:
    """Make a container in a ready pod from an image that is here.

    Raises InvalidArgumentError, NotFoundError (pod or image), FailedPreconditionError (the pod is not ready),
    AlreadyExistsError (the name belongs to another container), and what containerd could not do.
    """
    if not request.config.metadata.name:
        raise InvalidArgumentError("container config needs metadata with a name")
    if not request.sandbox_config.metadata.name:
        raise InvalidArgumentError("container needs the sandbox_config of its pod, with metadata")
    sandbox = service.sandboxes.get(request.pod_sandbox_id)
    name = container_name(request.config.metadata, sandbox.config.metadata)
    id_ = await service.operations.run(f"create/{name}", lambda: _create(service, sandbox.id, request, name))
    return cri.CreateContainerResponse(container_id=id_)


async def _create(service: Service, sandbox_id: str, request: cri.CreateContainerRequest, name: str) -> str:
    sandbox = service.sandboxes.get(sandbox_id)
    if not sandbox.ready:
        raise FailedPreconditionError(f"sandbox {sandbox.id} is not running; a container needs a running pod")
    finished = _made_before(service, sandbox, request, name)
    if finished is not None:
        log.info("container.found_again", container_id=finished.id, name=name)
        return finished.id
    config = request.config
    image = await _image(service, config)
    stop_signal = cri.Signal.Name(config.stop_signal) if config.stop_signal else image.config.stop_signal
    if stop_signal:
        signal_number(stop_signal)
    container = Container(
        id=new_id(),
        name=name,
        sandbox_id=sandbox.id,
        config=config,
        status=Status(),
        image_id=image.id,
        log_path=_log_path(request.sandbox_config, config),
        stop_signal=stop_signal,
    )
    service.container_names.reserve(name, container.id)
    async with Rollback(
        f"container {container.id}", on_incomplete=lambda why: service.containers.put(container.but(trouble=why))
    ) as undo:

        async def release_name() -> None:
            service.container_names.release(container.id)

        undo.push("release the name", release_name)
        undo.push("remove the container's files", lambda: run(FS, remove_container_files, service.paths, container.id))
        handler = service.config.runtime_handler(sandbox.runtime_handler)
        snapshotter = snapshotter_of(service.config, handler)
        volumes = _volumes(service, container, image)
        spec = await _spec(
            service,
            sandbox,
            container,
            handler=handler,
            image=image,
            sandbox_config=request.sandbox_config,
            volumes=volumes,
        )
        record = await service.containerd.containers.create(
            make_record(
                container.id,
                handler=handler,
                snapshotter=snapshotter,
                image=image.references[0] if image.references else image.id,
                spec=spec,
                labels=labels_of(container.id, config.labels, image, CONTAINER),
                extension=(CONTAINER_EXTENSION, container_extension(container)),
            )
        )
        undo.push("delete the record", lambda: delete_record(service, container.id))
        undo.push("remove the snapshot", lambda: remove_snapshot(service, snapshotter, container.id))
        rootfs, _ = await overlap(
            prepare_snapshot(service, snapshotter, container.id, image),
            _fill_volumes(service, snapshotter, image, volumes),
        )
        container = container.but(
            rootfs=tuple(rootfs),
            user=container_user(spec),
            status=Status(created_at=record.created_at.ToNanoseconds(), resources=container_resources(spec)),
        )
        write_status(service.paths.container_root(container.id), container.status)
    service.containers.put(container)
    return container.id


def _made_before(
    service: Service, sandbox: Sandbox, request: cri.CreateContainerRequest, name: str
) -> Container | None:
    """The container that an earlier request of the same words made, if the client lost the answer."""
    holder = service.container_names.holder(name)
    container = None if holder is None else service.containers.find(holder)
    if container is None or container.state != cri.CONTAINER_CREATED or container.sandbox_id != sandbox.id:
        return None
    return container if container.config == request.config else None


async def _image(service: Service, config: cri.ContainerConfig) -> Image:
    if not config.image.image:
        raise InvalidArgumentError(f"container {config.metadata.name!r} names no image")
    image = await service.images.find(config.image.image)
    if image is None:
        raise NotFoundError(
            f"image {config.image.image!r} is not here; pull it first "
            f"(containerd namespace {service.config.containerd.namespace})"
        )
    return image


def _log_path(sandbox_config: cri.PodSandboxConfig, config: cri.ContainerConfig) -> str:
    """Where the container logs to; empty, which means nowhere, unless both parts are given."""
    if not sandbox_config.log_directory or not config.log_path:
        return ""
    return f"{sandbox_config.log_directory.rstrip('/')}/{config.log_path}"


@dataclass(frozen=True, slots=True)
class _Volume:
    """A VOLUME of the image that the request mounts nothing over: a directory of the container's own."""

    container_path: str
    directory: Path


def _volumes(service: Service, container: Container, image: Image) -> list[_Volume]:
    if service.config.runtime.ignore_image_defined_volumes:
        return []
    mounted = {clean(mount.container_path) for mount in container.config.mounts}
    parent = service.paths.container_root(container.id) / "volumes"
    return [
        _Volume(path, parent / secrets.token_hex(32)) for path in image.config.volumes if clean(path) not in mounted
    ]


async def _fill_volumes(service: Service, snapshotter: str, image: Image, volumes: list[_Volume]) -> None:
    if volumes:
        await service.image_files.copy_out(
            snapshotter, image.chain_id, {volume.container_path: volume.directory for volume in volumes}
        )


@dataclass(slots=True)
class _NodeSide:
    """What of the request had to be looked up on the node."""

    mounts: tuple[ResolvedMount, ...] = ()
    devices: tuple[DeviceGrant, ...] = ()
    host_devices: tuple[DeviceNode, ...] = ()
    apparmor_profiles: frozenset[str] = frozenset()


def _look_up_node_side(
    service: Service, container: Container, handler: RuntimeHandler, volumes: list[_Volume]
) -> _NodeSide:
    """Make the directories and look up paths; blocks, and may block long on a dead network file system."""
    make_container_dirs(service.paths, container.id)
    for volume in volumes:
        volume.directory.mkdir(parents=True, mode=0o755)
    config = container.config
    security = config.linux.security_context
    host_devices: tuple[DeviceNode, ...] = ()
    if security.privileged and not handler.privileged_without_host_devices:
        host_devices = read_host_devices()
    devices: list[DeviceGrant] = []
    for device in config.devices:
        devices += read_device_grants(device.host_path, device.container_path, device.permissions)
    return _NodeSide(
        mounts=resolve_mounts(config.mounts),
        devices=tuple(devices),
        host_devices=host_devices,
        apparmor_profiles=read_apparmor_profiles() if service.node.apparmor else frozenset(),
    )


async def _spec(
    service: Service,
    sandbox: Sandbox,
    container: Container,
    *,
    handler: RuntimeHandler,
    image: Image,
    sandbox_config: cri.PodSandboxConfig,
    volumes: list[_Volume],
) -> dict[str, Any]:
    config = container.config
    security = config.linux.security_context
    node_side = await run(FS, _look_up_node_side, service, container, handler, volumes)
    plan = plan_user(security, image.config)
    snapshotter = snapshotter_of(service.config, handler)
    if plan.needs_files:
        await service.puller.ensure_unpacked(image, snapshotter)
        users = await service.image_files.users(snapshotter, image.chain_id)
    else:
        users = NO_USER_FILES
    files = pod_files(service.paths, sandbox.id, sandbox.config)
    return build_container_spec(
        ContainerSpecInput(
            id=container.id,
            sandbox_id=sandbox.id,
            sandbox_pid=sandbox.pid,
            config=config,
            sandbox_config=sandbox_config,
            image_config=image.config,
            user=resolve_user(plan, users.passwd, users.group),
            facts=service.node,
            options=spec_options(service, handler),
            image_name=config.image.user_specified_image or config.image.image,
            hostname=pod_hostname(sandbox.config),
            target_pid=_target_pid(service, sandbox, security.namespace_options),
            mounts=node_side.mounts,
            extra_mounts=pod_file_mounts(
                config.mounts,
                hostname=str(files.hostname),
                hosts=str(files.hosts),
                resolv_conf=str(files.resolv_conf),
                shm=str(files.shm),
                readonly_rootfs=security.readonly_rootfs,
            ),
            volume_mounts=tuple(ResolvedMount(volume.container_path, str(volume.directory)) for volume in volumes),
            devices=node_side.devices,
            host_devices=node_side.host_devices,
            privileged_without_host_devices=handler.privileged_without_host_devices,
            privileged_without_host_devices_all_devices_allowed=(
                handler.privileged_without_host_devices_all_devices_allowed
            ),
            seccomp_localhost=await read_seccomp_profile(security, service.config.runtime.unset_seccomp_profile),
            apparmor_profiles=node_side.apparmor_profiles,
            pod_annotations=handler.pod_annotations,
            container_annotations=handler.container_annotations,
            base_spec=await base_spec(handler),
        )
    )


def _target_pid(service: Service, sandbox: Sandbox, namespaces: cri.NamespaceOption) -> int | None:
    """The process whose pid namespace is joined (mode TARGET: debugging a container of the same pod)."""
    if namespaces.pid != cri.TARGET:
        return None
    target = service.containers.get(namespaces.target_id)
    if target.sandbox_id != sandbox.id:
        raise InvalidArgumentError(f"target container {target.id} is not in sandbox {sandbox.id}")
    if not target.running:
        raise FailedPreconditionError(f"target container {target.id} is not running; its pid namespace has gone")
    return target.status.pid
