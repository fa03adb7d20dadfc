"""ImageFsInfo: return how much disk space images and containers use, from the last sample.

With one snapshotter both are on the same file system, which the kubelet recognises by their equal mount points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.images.missing_snapshotter import snapshotter_loaded

if TYPE_CHECKING:
    from cri_shim.service import Service


async def image_fs_info(service: Service, _request: cri.ImageFsInfoRequest) -> cri.ImageFsInfoResponse:
    """Return one entry for each snapshotter of containerd, the default one first."""
    with snapshotter_loaded("read the image file system"):
        usages = await service.snapshot_usage.filesystems_now()
    entries = [
        cri.FilesystemUsage(
            timestamp=usage.timestamp_ns,
            fs_id=cri.FilesystemIdentifier(mountpoint=usage.mountpoint),
            used_bytes=cri.UInt64Value(value=usage.bytes),
            inodes_used=cri.UInt64Value(value=usage.inodes),
        )
        for usage in usages
    ]
    return cri.ImageFsInfoResponse(image_filesystems=entries, container_filesystems=entries)
