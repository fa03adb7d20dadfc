"""Where images are mounted on the node, and how they are unmounted.

For an image that a container mounts as a volume there is a read-only view, which is a snapshot in containerd, and a
mount at STATE/image-mounts/ID/N; both belong to the container (:mod:`cri_shim.sync.owned_snapshots`). An image whose
files the daemon reads is mounted beside them for that moment, so that what clears up after a crash finds both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.kernel.mounts import remove_mount_point, unmount_all
from cri_shim.kernel.presence import mode_of

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths


def view_key(container_id: str, place: int) -> str:
    """Return the snapshot key of the container's mount number ``place``."""
    return f"{container_id}-image-{place}"


def mount_point(paths: Paths, container_id: str, place: int) -> Path:
    """Return where the container's mount number ``place`` is mounted."""
    return paths.image_mounts() / container_id / str(place)


def unmount_images(kernel: Kernel, paths: Paths, container_id: str) -> None:
    """Unmount what the container has mounted and remove the mount points; if nothing is there, that is fine.

    It never removes recursively, because after a failed unmount the image's own files would be below. Blocking: call it
    in an executor. Raises ``OSError`` naming what stays.
    """
    directory = paths.image_mounts() / container_id
    if mode_of(directory) is None:
        return
    for point in sorted(directory.iterdir()):
        unmount_all(kernel, str(point))
        remove_mount_point(point)
    directory.rmdir()
