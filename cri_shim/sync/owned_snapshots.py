"""Snapshots that are there before the record that refers to them, and how those are found that no record came for.

Such a snapshot holds itself against containerd's garbage collector by a label, so it can be made beside the record, and
no lease is needed (docs/adr/0019). A second label says whose it is: a daemon that died before it had written the record
leaves nothing that the next one does not find. (containerd docs/garbage-collection.md)
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
"""The label of the root file system of a pod or container."""
IMAGE_MOUNT: Final = "io.cri-shim.image-mount"
"""The label of an image that a container mounts as a volume."""

log = structlog.get_logger(__name__)


def owned_by(id_: str, what: str) -> dict[str, str]:
    """The labels of a snapshot of the pod or container ``id_``; ``what`` is :data:`OWN_ROOT` or :data:`IMAGE_MOUNT`."""
    return {_GC_ROOT: "cri-shim", what: id_}


async def remove_orphaned_snapshots(
    containerd: Containerd, snapshotters: Sequence[str], spared: Callable[[], Collection[str]]
) -> int:
    """Remove the snapshots of pods and containers that are not among the ``spared``; return how many were removed.

    Who is spared is asked after the snapshots were listed: what is being made has its name before its snapshots. What
    cannot be removed, and a snapshotter that does not answer, is passed over: what lies there waits for the next start.
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
    """Remove all snapshots of one pod or container whose record, which named the snapshotter, has gone."""
    filters = (f'labels."{OWN_ROOT}"=={id_}', f'labels."{IMAGE_MOUNT}"=={id_}')
    async for snapshots, owned in _list_snapshots(containerd, snapshotters, *filters):
        for info in owned:
            await _remove(snapshots, info.name)


async def _list_snapshots(
    containerd: Containerd, snapshotters: Sequence[str], *filters: str
) -> AsyncIterator[tuple[Snapshots, Sequence[Info]]]:
    """Give each snapshotter with what it lists; one that does not answer is passed over."""
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
