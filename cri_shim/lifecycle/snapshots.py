"""The writable snapshot of a pod or container: its key is the id of the record that refers to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client import NotFound
from cri_shim.oci.selinux import mount_option
from cri_shim.store.spec import read_spec

if TYPE_CHECKING:
    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from containerd_client.api.containerd.types.types_pb2 import Mount
    from cri_shim.service import Service
    from cri_shim.store.images import Image


async def prepare_snapshot(service: Service, snapshotter: str, key: str, image: Image, mount_label: str) -> list[Mount]:
    """Make the snapshot ``key`` on top of ``image`` and return how to mount it.

    An image that is here but not unpacked for this snapshotter (imported, or unpacked for another) is unpacked first.
    ``mount_label`` is the SELinux label that its files are to have, empty for none.
    """
    snapshots = service.containerd.snapshots(snapshotter)
    try:
        return labelled(await snapshots.prepare(key, image.chain_id), mount_label)
    except NotFound:
        await service.puller.unpack(image, snapshotter)
        return labelled(await snapshots.prepare(key, image.chain_id), mount_label)


async def mounts_of(service: Service, id_: str) -> list[Mount]:
    """How to mount the snapshot that the record ``id_`` refers to."""
    record = await service.containerd.containers.get(id_)
    mounts = await service.containerd.snapshots(record.snapshotter).mounts(record.snapshot_key)
    return labelled(mounts, mount_label_of(record))


def mount_label_of(record: Record) -> str:
    """The SELinux label that the files of a recorded pod or container are to have; empty for none."""
    linux = read_spec(record).get("linux") or {}
    return str(linux.get("mountLabel") or "")


def labelled(mounts: list[Mount], label: str) -> list[Mount]:
    """The same mounts, their files under an SELinux label; a bind mount shows files that have their own."""
    if label:
        for mount in mounts:
            if mount.type != "bind":
                mount.options.append(mount_option(label))
    return mounts


async def remove_snapshot(service: Service, snapshotter: str, key: str) -> None:
    """Remove one snapshot; gone is fine."""
    try:
        await service.containerd.snapshots(snapshotter).remove(key)
    except NotFound:
        return


async def remove_snapshots_of(service: Service, id_: str) -> None:
    """Remove the snapshot that the record ``id_`` refers to; no record or no snapshot is fine."""
    try:
        record = await service.containerd.containers.get(id_)
    except NotFound:
        return
    if record.snapshotter:
        await remove_snapshot(service, record.snapshotter, record.snapshot_key)
