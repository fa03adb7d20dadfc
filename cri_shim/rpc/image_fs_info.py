"""ImageFsInfo: how much disk images and containers take, from the last sample.

With one snapshotter both lie on the same file system; the kubelet tells that by the two mount points being equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.images.missing_snapshotter import snapshotter_loaded

if TYPE_CHECKING:
    from cri_shim.service import Service


async def image_fs_info(service: Service, _request: cri.ImageFsInfoRequest) -> cri.ImageFsInfoResponse:
    """One entry for each snapshotter that containerd has, the default one first."""
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
