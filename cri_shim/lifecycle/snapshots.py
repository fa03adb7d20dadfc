"""The writable snapshot of a pod or container: its key is the id of the record that refers to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client import NotFound

if TYPE_CHECKING:
    from containerd_client.api.containerd.types.types_pb2 import Mount
    from cri_shim.service import Service
    from cri_shim.store.images import Image


async def prepare_snapshot(service: Service, snapshotter: str, key: str, image: Image) -> list[Mount]:
    """Make the snapshot ``key`` on top of ``image`` and return how to mount it.

    An image that is here but not unpacked for this snapshotter (imported, or unpacked for another) is unpacked first.
    """
    snapshots = service.containerd.snapshots(snapshotter)
    try:
        return await snapshots.prepare(key, image.chain_id)
    except NotFound:
        await service.puller.unpack(image, snapshotter)
        return await snapshots.prepare(key, image.chain_id)


async def mounts_of(service: Service, id_: str) -> list[Mount]:
    """How to mount the snapshot that the record ``id_`` refers to."""
    record = await service.containerd.containers.get(id_)
    return await service.containerd.snapshots(record.snapshotter).mounts(record.snapshot_key)


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
