"""Layers into snapshots: Prepare, Apply, compare, Commit, one layer upon the other.

containerd does the decompressing and extracting (its diff service); what is asked of the client is the order, the names
(chain ids) and the check that what was extracted is what the image's configuration promised.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.distribution.errors import CorruptBlobError
from containerd_client.distribution.flights import Flights
from containerd_client.errors import AlreadyExists, ContainerdError, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from containerd_client import Containerd
    from containerd_client.distribution.contents import ImageContents
    from containerd_client.distribution.manifest import Descriptor
    from containerd_client.snapshots import Snapshots

UNCOMPRESSED = "containerd.io/uncompressed"
TARGET = "containerd.io/snapshot.ref"


class Unpacker:
    """Layers into snapshots; one at a time for each chain id and snapshotter."""

    def __init__(self, client: Containerd) -> None:
        self._client = client
        self._flights: Flights[None] = Flights()

    async def present(self, snapshotter: str, chain: str) -> bool:
        """Whether the snapshot of this chain id is committed (an image without layers needs none)."""
        if not chain:
            return True
        try:
            info = await self._client.snapshots(snapshotter).stat(chain)
        except NotFound:
            return False
        return info.kind == snapshots_pb2.COMMITTED

    async def layer(
        self,
        snapshotter: str,
        contents: ImageContents,
        number: int,
        lease: str,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Have the snapshot of layer ``number`` (0 is the lowest); those below it must be there.

        The caller is inside ``call_options(lease=lease)``. Raises :class:`CorruptBlobError` when the layer does not
        extract to what the configuration says, :class:`ContainerdError` otherwise.
        """
        chain = contents.chains[number]
        key = f"{snapshotter} {chain}"
        for _ in range(3):
            try:
                _, led = await self._flights.run(key, lambda: self._unpack(snapshotter, contents, number, labels or {}))
            except ContainerdError:
                if not await self._adopt(snapshotter, chain, lease):
                    await self._flights.run(key, lambda: self._unpack(snapshotter, contents, number, labels or {}))
                return
            if led or await self._adopt(snapshotter, chain, lease):
                return

    async def _adopt(self, snapshotter: str, chain: str, lease: str) -> bool:
        await self._client.leases.add_resource(lease, chain, f"snapshots/{snapshotter}")
        return await self.present(snapshotter, chain)

    async def _unpack(self, snapshotter: str, contents: ImageContents, number: int, labels: Mapping[str, str]) -> None:
        chain = contents.chains[number]
        parent = contents.chains[number - 1] if number else ""
        if await self.present(snapshotter, chain):
            return
        snapshots = self._client.snapshots(snapshotter)
        key = f"extract-{time.time_ns()}-{secrets.token_urlsafe(3)} {chain}"
        committed = False
        try:
            # The label lets a snapshotter that can bring the layer by itself (a remote one) say AlreadyExists.
            mounts = await snapshots.prepare(key, parent, labels={TARGET: chain, **labels})
            applied = await self._client.diff.apply(contents.manifest.layers[number].to_message(), mounts)
            self._check(contents, number, applied.digest)
            await snapshots.commit(chain, key, labels={TARGET: chain, **labels})
            committed = True
        except AlreadyExists:
            if not await self.present(snapshotter, chain):
                raise
        finally:
            if not committed:
                await self._discard(snapshots, key)
        await self._note_diff_id(contents.manifest.layers[number], contents.diff_ids[number])

    def _check(self, contents: ImageContents, number: int, extracted: str) -> None:
        layer, promised = contents.manifest.layers[number], contents.diff_ids[number]
        if extracted != promised:
            raise CorruptBlobError(
                f"layer {layer.digest} of image {contents.id} extracts to {extracted}, "
                f"its configuration says {promised}"
            )

    async def _discard(self, snapshots: Snapshots, key: str) -> None:
        try:
            await snapshots.remove(key)
        except ContainerdError:
            return  # never made, or containerd is away: it hangs on the lease alone and goes with it

    async def _note_diff_id(self, layer: Descriptor, diff_id: str) -> None:
        """Label the blob with what it extracts to, which spares other clients (export, convert) the work."""
        try:
            info = await self._client.content.info(layer.digest)
            if info.labels.get(UNCOMPRESSED) != diff_id:
                info.labels[UNCOMPRESSED] = diff_id
                await self._client.content.update(info, f"labels.{UNCOMPRESSED}")
        except NotFound:
            return
