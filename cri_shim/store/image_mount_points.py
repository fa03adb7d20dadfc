"""Where images that containers mount as volumes are mounted on the node, and how what is left of them is found.

Each such mount is a read-only view of the image: a snapshot of containerd's and a mount at STATE/image-mounts/ID/N,
both the container's own. The view holds itself against containerd's garbage collector by a label, because it is there
before the record that could refer to it; a second label says whose it is, so that a daemon that died between the two
leaves nothing that the next one does not find. (containerd docs/garbage-collection.md)
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import structlog

from containerd_client import ContainerdError, NotFound
from cri_shim.kernel.mounts import unmount_all

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from containerd_client import Containerd
    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths

_OWNER = "io.cri-shim.image-mount"
_GC_ROOT = "containerd.io/gc.root"

log = structlog.get_logger(__name__)


def view_key(container_id: str, place: int) -> str:
    """The snapshot key of the container's mount number ``place``."""
    return f"{container_id}-image-{place}"


def view_labels(container_id: str) -> dict[str, str]:
    """The labels of the container's views."""
    return {_GC_ROOT: "image-mount", _OWNER: container_id}


def mount_point(paths: Paths, container_id: str, place: int) -> Path:
    """Where the container's mount number ``place`` is mounted."""
    return paths.image_mounts() / container_id / str(place)


def unmount_images(kernel: Kernel, paths: Paths, container_id: str) -> None:
    """Unmount what the container has mounted and remove the mount points; nothing there is fine.

    Never removes recursively: should an unmount fail, the image's own files are below. Raises OSError naming what
    stays. Blocks: call it in an executor.
    """
    directory = paths.image_mounts() / container_id
    if not directory.exists():
        return
    for point in sorted(directory.iterdir()):
        unmount_all(kernel, str(point))
        point.rmdir()
    directory.rmdir()


async def remove_orphaned_views(
    containerd: Containerd, snapshotters: Sequence[str], spared: Callable[[], Collection[str]]
) -> int:
    """Remove the views of containers that are not among the ``spared`` and return how many there were.

    Who is spared is asked after the views were listed: a container being made has its name before its views. A
    snapshotter that does not answer is passed over: its views wait for the next start.
    """
    removed = 0
    for name in dict.fromkeys(snapshotters):
        snapshots = containerd.snapshots(name)
        try:
            views = await snapshots.list(f'labels."{_OWNER}"')
            living = spared()
            for info in views:
                if info.labels.get(_OWNER) not in living:
                    with contextlib.suppress(NotFound):
                        await snapshots.remove(info.name)
                    removed += 1
        except ContainerdError as error:
            log.warning("image_mount.views_not_listed", snapshotter=name, error=str(error))
    return removed
