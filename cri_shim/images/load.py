"""Load images from an archive, as ``ctr cri load`` did for containerd 1.0; used by ``cri-shim image load``.

The command talks to containerd itself, beside the daemon: the records it writes reach the daemon as events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.distribution.archive import label, read_archive
from containerd_client.distribution.contents import missing_layers, read_contents
from containerd_client.distribution.pull import snapshot_label
from containerd_client.distribution.values.errors import IncompleteImageError
from cri_shim.images.names import record_names
from cri_shim.images.store import ImageStore

if TYPE_CHECKING:
    from typing import IO

    from containerd_client import Containerd
    from containerd_client.distribution.archive import Archived
    from cri_shim.images.store import Image

LOAD_LABELS = {"io.cri-shim.lease": "load"}
"""The label of the lease; it differs from that of a pull's lease, which the daemon deletes when it starts."""


async def load_images(client: Containerd, file: IO[bytes], snapshotter: str) -> tuple[Image, ...]:
    """Store, unpack and record every image of the archive that is for this machine.

    Raises DistributionErrors and ContainerdErrors; what it had stored by then goes with its lease.
    """
    store = ImageStore(client, snapshotter)
    async with client.leases.hold(LOAD_LABELS) as lease:
        return tuple([await _keep(client, store, lease.id, one) for one in await read_archive(client, file)])


async def _keep(client: Containerd, store: ImageStore, lease: str, archived: Archived) -> Image:
    contents = await read_contents(client, archived.target, store.platform)
    if absent := await missing_layers(client, contents):
        raise IncompleteImageError(f"the archive lacks layers {', '.join(absent)} of image {contents.id}")
    for document in contents.documents:
        await label(client, document.blob.digest, document.gc_labels)
    if contents.chain_id:
        await label(client, contents.id, {snapshot_label(store.snapshotter): contents.chain_id})
    for number in range(len(contents.chains)):
        await store.unpacker.layer(store.snapshotter, contents, number, lease)
    names = [name for one in archived.names for name in record_names(one, contents.id, contents.target.digest)]
    return await store.record(contents, dict.fromkeys(names or [contents.id]), store.snapshotter)
