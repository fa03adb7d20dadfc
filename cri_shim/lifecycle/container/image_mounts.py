"""Mount images as volumes: ``Mount.image`` with or without ``image_sub_path``.

The image must be here already; the kubelet pulls it. It is mounted read-only on the node, and the container gets a bind
mount of it or of a directory in it. The kernel resolves a sub-path inside the image's root (openat2), whatever links
the image holds. Source: CRI ``Mount``; containerd ``internal/cri/server/container_image_mount.go``. Unlike there, each
container has a view of its own instead of the pod having one that can be written to: it costs no disk, needs no lease,
and goes away with the container.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from containerd_client import NotFound
from cri_shim.disk.image_mount_points import mount_point, unmount_images, view_key
from cri_shim.errors import InvalidArgumentError, NotFoundError, UnimplementedError
from cri_shim.images.mount_refusal import refused_mounts
from cri_shim.kernel.executors import MOUNT, run
from cri_shim.kernel.mounts import mount_all, read_only
from cri_shim.lifecycle.snapshots import labelled
from cri_shim.node_faults import is_node_fault
from cri_shim.sync.owned_snapshots import IMAGE_MOUNT, owned_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from containerd_client import Containerd
    from containerd_client.api.containerd.types.types_pb2 import Mount as SnapshotMount
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri
    from cri_shim.images.puller import ImagePuller
    from cri_shim.images.store import Image
    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths
    from cri_shim.service import Service
    from cri_shim.state.containers import Container

FAILED = "ImageVolumeMountFailed"
"""The start of every error text: the kubelet knows the word (cri-api pkg/errors)."""


def image_mounts(config: cri.ContainerConfig) -> dict[int, cri.Mount]:
    """Return the mounts that ask for an image, by their place in the request."""
    return {place: mount for place, mount in enumerate(config.mounts) if mount.HasField("image")}


async def mount_images(service: Service, snapshotter: str, container: Container, mount_label: str) -> Mapping[int, str]:
    """Mount every image that ``container`` asks for; return the node's path of each, by its place in the request.

    Raises InvalidArgumentError for a mount that contradicts itself, NotFoundError for an image that is not here or a
    directory that it lacks, and the errors of containerd. After an error, :func:`unmount` undoes what was made.
    """
    wanted = image_mounts(container.config)
    for mount in wanted.values():
        _check(mount)
    sources: dict[int, str] = {}
    for place, mount in wanted.items():
        image = await service.images.find(mount.image.image)
        if image is None:
            absence = service.images.absence(mount.image.image)
            raise NotFoundError(f"{FAILED}: image {mount.image.image!r} {absence}")
        point = mount_point(service.paths, container.id, place)
        view = await _view(
            service.containerd,
            service.puller,
            image,
            snapshotter,
            key=view_key(container.id, place),
            owner=container.id,
        )
        with refused_mounts(snapshotter, f"{FAILED}: image {mount.image.image!r}"):
            await run(MOUNT, _mount, service.kernel, labelled(view, mount_label), point)
        sources[place] = await run(MOUNT, _directory, service.kernel, point, mount)
    return sources


async def unmount(containerd: Containerd, kernel: Kernel, paths: Paths, snapshotter: str, container: Container) -> None:
    """Undo all that :func:`mount_images` made, complete or not; raises OSError or a ContainerdError."""
    await run(MOUNT, unmount_images, kernel, paths, container.id)
    for place in image_mounts(container.config):
        with suppress(NotFound):
            await containerd.snapshots(snapshotter).remove(view_key(container.id, place))


async def remove_image_mounts(containerd: Containerd, kernel: Kernel, paths: Paths, container: Container) -> None:
    """Do the same for a container that is removed; without image mounts this makes no hop.

    The container's record says which snapshotter holds the views.
    """
    if not image_mounts(container.config):
        return
    try:
        record = await containerd.containers.get(container.id)
    except NotFound:
        # Another client has deleted the record; the daemon finds the views at its next start.
        await run(MOUNT, unmount_images, kernel, paths, container.id)
        return
    await unmount(containerd, kernel, paths, record.snapshotter, container)


def _check(mount: cri.Mount) -> None:
    what = f"{FAILED}: image {mount.image.image!r} at {mount.container_path!r}"
    if not mount.container_path:
        raise InvalidArgumentError(f"{FAILED}: the mount of image {mount.image.image!r} has no container_path")
    if not mount.image.image:
        raise InvalidArgumentError(f"{FAILED}: the mount at {mount.container_path!r} names no image")
    if mount.host_path:
        raise InvalidArgumentError(f"{what}: host_path must be empty, but it is {mount.host_path!r}")
    if not mount.readonly:
        raise InvalidArgumentError(f"{what}: readonly must be true")
    if ".." in mount.image_sub_path.split("/"):
        raise InvalidArgumentError(f"{what}: image_sub_path {mount.image_sub_path!r} must not contain '..'")
    if mount.uidMappings or mount.gidMappings:
        raise UnimplementedError(f"{what}: an image cannot be mounted with mapped ids, which a user namespace needs")


async def _view(
    containerd: Containerd, puller: ImagePuller, image: Image, snapshotter: str, *, key: str, owner: str
) -> list[SnapshotMount]:
    snapshots = containerd.snapshots(snapshotter)
    labels = owned_by(owner, IMAGE_MOUNT)
    chain_id = await puller.ensure_unpacked(image, snapshotter)
    try:
        return await snapshots.view(key, chain_id, labels)
    except NotFound:
        return await snapshots.view(key, await puller.unpack(image, snapshotter), labels)


def _mount(kernel: Kernel, view: list[SnapshotMount], point: Path) -> None:
    point.mkdir(parents=True, mode=0o700)
    mount_all(kernel, read_only(view), str(point))


def _directory(kernel: Kernel, point: Path, mount: cri.Mount) -> str:
    """Return the requested directory of the image as a path on the node."""
    if not mount.image_sub_path:
        return str(point)
    what = f"{FAILED}: sub-path {mount.image_sub_path!r} of image {mount.image.image!r}"
    root = os.open(point, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = kernel.open_in_root(root, mount.image_sub_path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except NotADirectoryError as error:
        raise InvalidArgumentError(f"{what} is not a directory; only directories can be mounted") from error
    except FileNotFoundError as error:
        raise NotFoundError(f"{what} is not in the image") from error
    except OSError as error:
        if is_node_fault(error):
            raise
        raise InvalidArgumentError(f"{what} cannot be opened: {error.strerror}") from error
    finally:
        os.close(root)
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    finally:
        os.close(descriptor)
