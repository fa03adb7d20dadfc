"""Label the snapshots that are made before the record that refers to them, and find those whose record never came.

A label protects such a snapshot from containerd's garbage collector, so it can be made while the record is made, and
no lease is needed (docs/adr/0019). A second label names the owner, so that the next daemon finds everything left by a
daemon that died before it had written the record. (containerd docs/garbage-collection.md)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from containerd_client import ContainerdError, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

    from containerd_client import Containerd
    from containerd_client.api.containerd.services.snapshots.v1.snapshots_pb2 import Info
    from containerd_client.snapshots import Snapshots

_GC_ROOT: Final = "containerd.io/gc.root"
OWN_ROOT: Final = "io.cri-shim.rootfs"
"""The label of the root file system of a pod or container; the value is the owner's id."""
IMAGE_MOUNT: Final = "io.cri-shim.image-mount"
"""The label of an image that a container mounts as a volume; the value is the container's id."""

log = structlog.get_logger(__name__)


def owned_by(id_: str, what: str) -> dict[str, str]:
    """Return the labels of a snapshot of ``id_``; ``what`` is :data:`OWN_ROOT` or :data:`IMAGE_MOUNT`."""
    return {_GC_ROOT: "cri-shim", what: id_}


async def remove_orphaned_snapshots(
    containerd: Containerd, snapshotters: Sequence[str], spared: Callable[[], Collection[str]]
) -> int:
    """Remove the snapshots of pods and containers that are not among the ``spared``; return how many were removed.

    ``spared`` is called after the snapshots were listed, because what is being made has its name before its snapshots.
    What cannot be removed, and a snapshotter that does not answer, is skipped until the next start.
    """
    removed = 0
    async for snapshots, owned in _list_snapshots(
        containerd, snapshotters, f'labels."{OWN_ROOT}"', f'labels."{IMAGE_MOUNT}"'
    ):
        living = spared()
        orphaned = [
            info.name for info in owned if (info.labels.get(OWN_ROOT) or info.labels.get(IMAGE_MOUNT)) not in living
        ]
        for key in orphaned:
            removed += await _remove(snapshots, key)
    return removed


async def remove_snapshots_owned_by(containerd: Containerd, snapshotters: Sequence[str], id_: str) -> None:
    """Remove all snapshots of one pod or container whose record, which named the snapshotter, is gone."""
    filters = (f'labels."{OWN_ROOT}"=={id_}', f'labels."{IMAGE_MOUNT}"=={id_}')
    async for snapshots, owned in _list_snapshots(containerd, snapshotters, *filters):
        for info in owned:
            await _remove(snapshots, info.name)


async def _list_snapshots(
    containerd: Containerd, snapshotters: Sequence[str], *filters: str
) -> AsyncIterator[tuple[Snapshots, Sequence[Info]]]:
    """Yield each snapshotter with the snapshots it lists; skip one that does not answer."""
    for name in dict.fromkeys(snapshotters):
        snapshots = containerd.snapshots(name)
        try:
            infos = await snapshots.list(*filters)
        except ContainerdError as error:
            log.warning("recovery.snapshots_not_listed", snapshotter=name, error=str(error))
            continue
        yield snapshots, infos


async def _remove(snapshots: Snapshots, key: str) -> bool:
    try:
        await snapshots.remove(key)
    except NotFound:
        pass
    except ContainerdError as error:
        log.warning("recovery.snapshot_stays", snapshot=key, snapshotter=snapshots.name, error=str(error))
        return False
    return True
