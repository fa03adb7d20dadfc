"""Gather the input of a container's spec from the request, the pod, the image and the node.

Building the spec is pure (:mod:`cri_shim.oci.container_spec`); this module looks up paths and reads files for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.disk.container_directories import make_container_dirs
from cri_shim.disk.idmapped_mounts import note_sources
from cri_shim.disk.pod_file_paths import pod_files
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.kernel.executors import FS, run
from cri_shim.lifecycle.container.apparmor_load import apparmor_profiles
from cri_shim.lifecycle.container.cdi_devices import inject_cdi_devices
from cri_shim.lifecycle.container.host_mounts import resolve_mounts
from cri_shim.lifecycle.container.id_mapping import id_map_of, mapped_mounts
from cri_shim.lifecycle.container.qos_classes import apply_classes
from cri_shim.lifecycle.container.seccomp_file import read_seccomp_profile
from cri_shim.lifecycle.handlers import base_spec, snapshotter_of, spec_options
from cri_shim.lifecycle.pod_sharing import namespaces_of, pod_hostname
from cri_shim.oci.container_spec import ContainerSpecInput, build_container_spec
from cri_shim.oci.mounts import ResolvedMount, pod_file_mounts
from cri_shim.oci.node_facts import read_device_grants, read_host_devices
from cri_shim.oci.users import plan_user, resolve_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.config import RuntimeHandler
    from cri_shim.disk.pod_file_paths import PodFiles
    from cri_shim.images.store import Image
    from cri_shim.lifecycle.container.image_volumes import Volume
    from cri_shim.oci.devices import DeviceGrant, DeviceNode
    from cri_shim.oci.id_map import IdMap
    from cri_shim.paths import Paths
    from cri_shim.service import Service
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox


class _NodeSide(Struct):
    """The parts of the request that had to be looked up on the node."""

    mounts: tuple[ResolvedMount, ...] = ()
    extra_mounts: tuple[ResolvedMount, ...] = ()
    volume_mounts: tuple[ResolvedMount, ...] = ()
    devices: tuple[DeviceGrant, ...] = ()
    host_devices: tuple[DeviceNode, ...] = ()


def _find_node_side(
    paths: Paths,
    container: Container,
    handler: RuntimeHandler,
    *,
    volumes: list[Volume],
    images: Mapping[int, str],
    files: PodFiles,
    mapping: IdMap | None,
) -> _NodeSide:
    """Make the directories and look up paths; blocks, and may block long on a dead network file system."""
    make_container_dirs(paths, container.id)
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
    uids, gids = (mapping.uid_entries, mapping.gid_entries) if mapping else ((), ())
    mounts, sources = mapped_mounts(paths, container.id, mapping, resolve_mounts(config.mounts, images), "mount-")
    pod_mounts = pod_file_mounts(
        config.mounts,
        hostname=str(files.hostname),
        hosts=str(files.hosts),
        resolv_conf=str(files.resolv_conf),
        shm=str(files.shm),
        readonly_rootfs=security.readonly_rootfs,
        uid_mappings=uids,
        gid_mappings=gids,
    )
    pod_mounts, pod_sources = mapped_mounts(paths, container.id, mapping, pod_mounts, "pod-")
    volume_mounts = [
        ResolvedMount(volume.container_path, str(volume.directory), uid_mappings=uids, gid_mappings=gids)
        for volume in volumes
    ]
    own_mounts, own_sources = mapped_mounts(paths, container.id, mapping, volume_mounts, "volume-")
    if mapping is not None:
        note_sources(paths, container.id, sources | pod_sources | own_sources)
    return _NodeSide(
        mounts=mounts,
        extra_mounts=pod_mounts,
        volume_mounts=own_mounts,
        devices=tuple(devices),
        host_devices=host_devices,
    )


async def container_spec(
    service: Service,
    sandbox: Sandbox,
    container: Container,
    *,
    handler: RuntimeHandler,
    image: Image,
    sandbox_config: cri.PodSandboxConfig,
    volumes: list[Volume],
    images: Mapping[int, str],
) -> dict[str, Any]:
    """Return the OCI runtime spec of ``container``, and make its directories and volumes.

    ``images`` has the node's paths of the images that it mounts
    (:func:`~cri_shim.lifecycle.container.image_mounts.mount_images`). Raises InvalidArgumentError,
    FailedPreconditionError or UnimplementedError for what cannot be done as requested.
    """
    config = container.config
    security = config.linux.security_context
    files = pod_files(service.paths, sandbox.id, sandbox.config)
    node_side = await run(
        FS,
        _find_node_side,
        service.paths,
        container,
        handler,
        volumes=volumes,
        images=images,
        files=files,
        mapping=id_map_of(sandbox),
    )
    plan = plan_user(security, image.config)
    snapshotter = snapshotter_of(service.config, handler)
    await service.puller.ensure_unpacked(image, snapshotter)
    users = await service.image_files.users(snapshotter, image.chain_id, needed=plan.needs_files)
    spec = build_container_spec(
        ContainerSpecInput(
            id=container.id,
            sandbox_id=sandbox.id,
            namespaces=namespaces_of(sandbox),
            config=config,
            sandbox_config=sandbox_config,
            image_config=image.config,
            user=resolve_user(plan, users.passwd, users.group),
            facts=service.node,
            options=spec_options(service.config, service.features, handler),
            image_name=config.image.user_specified_image or config.image.image,
            hostname=pod_hostname(sandbox.config),
            target_pid=_target_pid(service.containers, sandbox, security.namespace_options),
            mounts=node_side.mounts,
            extra_mounts=node_side.extra_mounts,
            volume_mounts=node_side.volume_mounts,
            devices=node_side.devices,
            host_devices=node_side.host_devices,
            privileged_without_host_devices=handler.privileged_without_host_devices,
            privileged_without_host_devices_all_devices_allowed=(
                handler.privileged_without_host_devices_all_devices_allowed
            ),
            seccomp_localhost=await read_seccomp_profile(security, service.config.runtime.unset_seccomp_profile),
            apparmor_profiles=await apparmor_profiles(service.config, service.node, service.locks, security),
            process_label=container.process_label,
            mount_label=service.selinux.of_files(container.process_label),
            own_shim=sandbox.pinned is not None,
            pod_annotations=handler.pod_annotations,
            container_annotations=handler.container_annotations,
            base_spec=await base_spec(handler),
        )
    )
    await apply_classes(service.config, service.blockio, container, sandbox_config, spec)
    await inject_cdi_devices(service.config, service.cdi, container, spec)
    return spec


def _target_pid(containers: Index[Container], sandbox: Sandbox, namespaces: cri.NamespaceOption) -> int | None:
    """Return the process whose pid namespace to join (mode TARGET: debugging a container of the same pod)."""
    if namespaces.pid != cri.TARGET:
        return None
    if not namespaces.target_id:
        raise InvalidArgumentError("pid namespace mode TARGET comes without a target_id; name the container to join")
    target = containers.get(namespaces.target_id)
    if target.sandbox_id != sandbox.id:
        raise InvalidArgumentError(f"target container {target.id} is not in sandbox {sandbox.id}")
    if not target.running:
        raise FailedPreconditionError(f"target container {target.id} is not running; its pid namespace is gone")
    return target.status.pid
