"""Unpack layers into snapshots: Prepare, Apply, compare, Commit, each layer on top of the one below.

containerd decompresses and extracts (its diff service). The client determines the order and the names (chain ids), and
checks that the extracted content is what the image's configuration promised.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.distribution.progress import LEAST, Progress
from containerd_client.distribution.single_flight import SingleFlight
from containerd_client.distribution.values.errors import (
    CorruptBlobError,
    DistributionError,
    ExtractionError,
    IncompleteImageError,
)
from containerd_client.errors import AlreadyExists, ContainerdError, NotFound, Unknown
from containerd_client.options import call_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from containerd_client import Containerd
    from containerd_client.api.containerd.types import types_pb2
    from containerd_client.distribution.contents import ImageContents
    from containerd_client.distribution.values.manifest import Descriptor
    from containerd_client.snapshots import Snapshots

UNCOMPRESSED = "containerd.io/uncompressed"
TARGET = "containerd.io/snapshot.ref"
CLEAN_UP_SECONDS = 10.0
TRIES = 4
POLLS = 4
"""Number of checks of a snapshot's growth within the time limit; each makes containerd walk the snapshot."""


class Unpacker:
    """Unpacks layers into snapshots, one at a time for each chain id and snapshotter."""

    def __init__(self, client: Containerd, progress_timeout: float = 0.0) -> None:
        self._client = client
        self.progress_timeout = progress_timeout
        """Seconds without progress after which a layer is given up; 0 means never."""
        self._single_flight: SingleFlight[bool] = SingleFlight()

    async def present(self, snapshotter: str, chain: str) -> bool:
        """Return whether the snapshot of this chain id is committed (an image without layers needs none)."""
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
        """Ensure that the snapshot of layer ``number`` (0 is the lowest) exists; those below it must exist already.

        The caller must be inside ``call_options(lease=lease)``. Raises :class:`CorruptBlobError` if the layer does not
        extract to what the configuration promises, and otherwise :class:`ContainerdError`.
        """
        chain = contents.chains[number]
        ours = False

        async def lead() -> bool:
            nonlocal ours
            ours = True
            return await self._unpack(snapshotter, contents, number, labels or {})

        for _ in range(TRIES):
            ours = False
            try:
                made, led = await self._single_flight.run(f"{snapshotter} {chain}", lead)
            except (ContainerdError, DistributionError):
                if ours:
                    raise
                made = led = False  # the failure of another caller; this one tries again itself
            # A snapshot that was made under our lease is held by it. One that existed already may be left over from an
            # interrupted pull and about to be collected: it must be added to our lease and still exist afterwards.
            if (made and led) or await self._adopt(snapshotter, chain, lease):
                return
        raise IncompleteImageError(f"snapshot {chain} was removed repeatedly while the image was being unpacked")

    async def _adopt(self, snapshotter: str, chain: str, lease: str) -> bool:
        await self._client.leases.add_resource(lease, chain, f"snapshots/{snapshotter}")
        return await self.present(snapshotter, chain)

    async def _unpack(self, snapshotter: str, contents: ImageContents, number: int, labels: Mapping[str, str]) -> bool:
        """Make the snapshot; return False if it existed already."""
        chain = contents.chains[number]
        parent = contents.chains[number - 1] if number else ""
        if await self.present(snapshotter, chain):
            return False
        snapshots = self._client.snapshots(snapshotter)
        key = f"extract-{time.time_ns()}-{secrets.token_urlsafe(3)} {chain}"
        committed = False
        try:
            # With this label, a snapshotter that can provide the layer itself (a remote one) answers AlreadyExists.
            mounts = await snapshots.prepare(key, parent, labels={TARGET: chain, **labels})
            applied = await self._apply(snapshots, key, contents.manifest.layers[number], mounts)
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
        return committed

    async def _apply(
        self, snapshots: Snapshots, key: str, layer: Descriptor, mounts: Sequence[types_pb2.Mount]
    ) -> types_pb2.Descriptor:
        """Have containerd extract a layer, for as long as the snapshot keeps growing."""
        progress = Progress(f"layer {layer.digest}", self.progress_timeout)
        applying = asyncio.create_task(self._client.diff.apply(layer.to_message(), mounts))
        try:
            grown = (0, 0)
            while not (await asyncio.wait({applying}, timeout=progress.limit / POLLS or None))[0]:
                seen = await self._usage(snapshots, key, progress.limit / POLLS)
                if seen is not None and seen != grown:
                    grown = seen
                    progress.moved(LEAST)
                progress.check("containerd extracts nothing")
            return applying.result()
        except Unknown as error:  # a fault of the archive or the file system
            raise ExtractionError(f"layer {layer.digest} cannot be extracted: {error.detail}") from error
        finally:
            if not applying.done():
                applying.cancel()
                await asyncio.wait({applying})

    async def _usage(self, snapshots: Snapshots, key: str, seconds: float) -> tuple[int, int] | None:
        """Return the snapshot's size, or None if no answer arrives in time, which says nothing about progress."""
        try:
            with call_options(timeout=seconds):
                return await snapshots.usage(key)
        except ContainerdError:
            return None

    def _check(self, contents: ImageContents, number: int, extracted: str) -> None:
        layer, promised = contents.manifest.layers[number], contents.diff_ids[number]
        if extracted != promised:
            raise CorruptBlobError(
                f"layer {layer.digest} of image {contents.id} extracts to {extracted}, "
                f"its configuration says {promised}"
            )

    async def _discard(self, snapshots: Snapshots, key: str) -> None:
        try:
            with call_options(timeout=CLEAN_UP_SECONDS):
                await snapshots.remove(key)
        except ContainerdError:
            return  # never made, or containerd is away: only the lease holds it, so it goes away with the lease

    async def _note_diff_id(self, layer: Descriptor, diff_id: str) -> None:
        """Label the blob with its diff id, which saves other clients (export, convert) from computing it."""
        try:
            info = await self._client.content.info(layer.digest)
            if info.labels.get(UNCOMPRESSED) != diff_id:
                info.labels[UNCOMPRESSED] = diff_id
                await self._client.content.update(info, f"labels.{UNCOMPRESSED}")
        except NotFound:
            return
