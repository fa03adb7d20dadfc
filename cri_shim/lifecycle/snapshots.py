"""The writable snapshot of a pod or container; its key is the id of the record that refers to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from containerd_client import ContainerdError, NotFound
from cri_shim.images.missing_snapshotter import missing_snapshotter
from cri_shim.lifecycle.handlers import all_snapshotters
from cri_shim.metered import metered
from cri_shim.oci.security.selinux import mount_option
from cri_shim.state.stored.spec import read_spec
from cri_shim.sync.owned_snapshots import OWN_ROOT, owned_by, remove_snapshots_owned_by

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from containerd_client import Containerd
    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from containerd_client.api.containerd.types.types_pb2 import Mount
    from cri_shim.concurrency.rollback import Rollback
    from cri_shim.config import Config
    from cri_shim.images.puller import ImagePuller
    from cri_shim.images.store import Image


def begin_snapshot(
    containerd: Containerd,
    puller: ImagePuller,
    snapshotter: str,
    id_: str,
    image: Image,
    *,
    undo: Rollback,
    mount_label: str,
) -> asyncio.Task[list[Mount]]:
    """Begin to make the snapshot of the pod or container ``id_`` on top of ``image``; the task returns its mounts.

    The record need not exist yet. ``mount_label`` is the SELinux label for the snapshot's files, empty for none.
    """
    preparing = asyncio.create_task(
        metered(_prepare(containerd, puller, snapshotter, id_, image, mount_label=mount_label))
    )
    # Another failure may be the one that is reported, and while containerd is away not everything is undone.
    preparing.add_done_callback(_retrieve_failure)

    async def remove() -> None:
        await asyncio.wait([preparing])
        failure = None if preparing.cancelled() else preparing.exception()
        if isinstance(failure, ContainerdError) and missing_snapshotter(failure) is not None:
            return  # what containerd does not have has made nothing, and could not remove it either
        await remove_snapshot(containerd, snapshotter, id_)

    undo.push("remove the snapshot", remove)
    return preparing


def _retrieve_failure(ended: asyncio.Task[list[Mount]]) -> None:
    if not ended.cancelled():
        ended.exception()


async def _prepare(
    containerd: Containerd, puller: ImagePuller, snapshotter: str, id_: str, image: Image, *, mount_label: str
) -> list[Mount]:
    """Prepare the snapshot; an image that is not unpacked for this snapshotter yet is unpacked first.

    That happens to an image that was imported, or that was pulled for another snapshotter.
    """
    snapshots, labels = containerd.snapshots(snapshotter), owned_by(id_, OWN_ROOT)
    try:
        mounts = await snapshots.prepare(id_, image.chain_id, labels)
    except NotFound:
        await puller.unpack(image, snapshotter)
        mounts = await snapshots.prepare(id_, image.chain_id, labels)
    return labelled(mounts, mount_label)


async def mounts_of(containerd: Containerd, id_: str) -> list[Mount]:
    """Return the mounts of the snapshot that the record ``id_`` refers to."""
    record = await containerd.containers.get(id_)
    mounts = await containerd.snapshots(record.snapshotter).mounts(record.snapshot_key)
    return labelled(mounts, mount_label_of(record))


def mount_label_of(record: Record) -> str:
    """Return the SELinux label for the files of a recorded pod or container; empty for none."""
    linux = read_spec(record).get("linux") or {}
    return str(linux.get("mountLabel") or "")


def labelled(mounts: list[Mount], label: str) -> list[Mount]:
    """Return the same mounts with an SELinux label for their files; a bind mount shows files that have their own."""
    if label:
        for mount in mounts:
            if mount.type != "bind":
                mount.options.append(mount_option(label))
    return mounts


async def remove_snapshot(containerd: Containerd, snapshotter: str, key: str) -> None:
    """Remove one snapshot; a snapshot that is already gone is success."""
    try:
        await containerd.snapshots(snapshotter).remove(key)
    except NotFound:
        return


async def remove_snapshots_of(
    config: Config, containerd: Containerd, end_orphaned_task: Callable[[str], Awaitable[None]], id_: str
) -> None:
    """Remove the snapshot that the record ``id_`` refers to, if there is one.

    If another client has deleted the record, a task may exist that nothing else reaches, so it is ended. The snapshots
    are then found by their labels.
    """
    try:
        record = await containerd.containers.get(id_)
    except NotFound:
        await end_orphaned_task(id_)
        await remove_snapshots_owned_by(containerd, all_snapshotters(config), id_)
        return
    if record.snapshotter:
        await remove_snapshot(containerd, record.snapshotter, record.snapshot_key)
