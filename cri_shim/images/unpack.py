"""Unpack an image whose blobs are all in containerd but whose snapshots are not.

That is an image that was imported, or that was pulled for another snapshotter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.distribution.contents import missing_layers, read_contents
from containerd_client.distribution.pull import snapshot_label
from containerd_client.distribution.values.errors import IncompleteImageError

if TYPE_CHECKING:
    from containerd_client import Containerd
    from containerd_client.distribution.unpack import Unpacker
    from containerd_client.distribution.values.manifest import Descriptor
    from containerd_client.distribution.values.platforms import Platform

LEASE_LABELS = {"io.cri-shim.lease": "image"}
"""Marks leases that hold an image in the making, so that those left by a crash can be found."""


async def unpack_stored(
    client: Containerd, unpacker: Unpacker, target: Descriptor, platform: Platform, snapshotter: str
) -> None:
    """Make all snapshots of the image, kept by its configuration blob.

    Raises a :class:`~containerd_client.distribution.values.errors.DistributionError` or a ContainerdError.
    """
    async with client.leases.hold(LEASE_LABELS) as lease:
        contents = await read_contents(client, target, platform)
        absent = await missing_layers(client, contents)
        if absent:
            raise IncompleteImageError(f"layers {', '.join(absent)} are missing in containerd; pull the image again")
        info = await client.content.info(contents.id)
        label = snapshot_label(snapshotter)
        if info.labels.get(label) != contents.chain_id:
            # First the label, then the snapshots: when the lease ends, only the label keeps them.
            info.labels[label] = contents.chain_id
            await client.content.update(info, f"labels.{label}")
        for number in range(len(contents.chains)):
            await unpacker.layer(snapshotter, contents, number, lease.id)
