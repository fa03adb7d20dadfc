"""Images: in memory for reading, in containerd for real.

containerd's image store is the truth. What changes there behind our back arrives as events; what an event did not tell
(containerd 1.7's import sends none) is found by looking there when a name is not known. Every image record that is
seen gets the label of containerd's CRI plugin, so that the plugin can take over.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.distribution.contents import missing_layers, read_contents
from containerd_client.distribution.errors import DistributionError, IncompleteImageError
from containerd_client.distribution.manifest import Descriptor
from containerd_client.distribution.platforms import host_platform
from containerd_client.distribution.reference import is_digest
from containerd_client.distribution.unpack import Unpacker
from containerd_client.errors import AlreadyExists, NotFound
from cri_shim.errors import CriError
from cri_shim.oci.checkpoint_image import is_checkpoint
from cri_shim.oci.image_config import parse_image_config
from cri_shim.store.image_names import MANAGED, PINNED, normal_name
from cri_shim.store.image_table import Image, ImageTable
from cri_shim.store.image_unpack import unpack_stored

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from containerd_client import Containerd
    from containerd_client.api.containerd.types import types_pb2
    from containerd_client.distribution.contents import ImageContents
    from containerd_client.distribution.platforms import Platform

__all__ = ["Image", "ImageStore"]

AT_ONCE = 8
"""Images that are read at the same time when everything is read."""

log = structlog.get_logger(__name__)


class _Reading(Struct):
    """One look at a record under way; ``stale`` when the record was changed meanwhile by ourselves."""

    stale: bool = False


class ImageStore:
    """All images of the client's namespace. ``pinned`` holds names (in any form) that are always to be pinned."""

    def __init__(
        self,
        client: Containerd,
        snapshotter: str = "overlayfs",
        *,
        platform: Platform | None = None,
        pinned: Collection[str] = (),
    ) -> None:
        self.unpacker = Unpacker(client)
        self.snapshotter = snapshotter
        self.platform = platform or host_platform()
        self._client = client
        self._pinned = frozenset(normal_name(name) or name for name in pinned)
        self._table = ImageTable()
        self._readings: dict[str, list[_Reading]] = {}
        self._changes: list[set[str]] = []
        self._unpacked: set[tuple[str, str]] = set()
        self._broken: dict[str, str] = {}

    def list(self) -> tuple[Image, ...]:
        """All images, from memory."""
        return tuple(self._table)

    def resolve(self, ref: str) -> Image | None:
        """The image for an id, the beginning of one, or a name in any form; from memory.

        Raises InvalidArgumentError when ``ref`` is empty or fits several ids.
        """
        return self._table.resolve(ref)

    async def find(self, ref: str) -> Image | None:
        """Like :meth:`resolve`, and on a miss look into containerd, where it may have come without an event."""
        image = self._table.resolve(ref)
        if image is not None:
            return image
        name = ref if is_digest(ref) else normal_name(ref)
        if name:
            await self.refresh(name)
        return self._table.resolve(ref)

    async def load_all(self) -> None:
        """Read every image record, and forget the names that are no longer there. A broken image is logged, not raised.

        Raises a ContainerdError only when the list itself cannot be had.
        """
        before = self._table.names()
        changed: set[str] = set()
        self._changes.append(changed)
        try:
            await self._load_all(before, changed)
        finally:
            self._changes.remove(changed)
        log.info("images.loaded", images=len(self._table), names=len(self._table.names()))

    async def _load_all(self, before: tuple[str, ...], changed: set[str]) -> None:
        records = await self._client.images.list()
        listed = {record.name for record in records}
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(name: str, record: images_pb2.Image | None) -> None:
            async with slots:
                # What the list said of a name that has changed since is out of date.
                await self.refresh(name, None if name in changed else record)

        gone = [name for name in before if name not in listed]
        work = [one(record.name, record) for record in records] + [one(name, None) for name in gone]
        for outcome in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(outcome, Exception):
                log.warning("images.unread", error=str(outcome))

    async def on_event(self, envelope: types_pb2.Envelope) -> None:
        """Take in one event of topic ``/images/create``, ``/images/update`` or ``/images/delete``."""
        if envelope.namespace != self._client.namespace or not envelope.topic.startswith("/images/"):
            return
        # The three messages have the name in the same place.
        await self.refresh(images_pb2.ImageDelete.FromString(envelope.event.value).name)

    async def refresh(self, name: str, record: images_pb2.Image | None = None) -> Image | None:
        """Make memory say about ``name`` what containerd says; ``record`` is what it has just said, if it has."""
        with self._reading(name) as reading:
            while True:
                reading.stale = False
                if record is None:
                    record = await self._record(name)
                image = await self._described(record) if record is not None else None
                if not reading.stale:
                    break
                record = None
            if image is None or record is None:
                self._table.drop(name)
                return None
            pinned = self._put(record, image)
        if pinned != (record.labels.get(PINNED[0]) == PINNED[1]) or record.labels.get(MANAGED[0]) != MANAGED[1]:
            await self._label(record, pinned=pinned)
        return self._table.by_name(name)

    async def record(
        self, contents: ImageContents, names: Iterable[str], snapshotter: str, *, pinned: bool = False
    ) -> Image:
        """Write the records of an image that is in containerd and unpacked, in this order, and know it at once.

        The caller holds a lease on the contents. Raises a ContainerdError.
        """
        image = _image(contents)
        for name in names:
            pin = pinned or name in self._pinned
            await self._write(name, contents.target, pinned=pin)
            self._touch(name)
            image = self._table.put(name, image, pinned=pin)
        self._unpacked.add((snapshotter, contents.chain_id))
        return image

    async def remove(self, image: Image) -> None:
        """Delete every record of the image; containerd has collected what they held when the last one is gone."""
        records = await self._client.images.list(f"target.digest=={image.target.digest}")
        names = tuple(dict.fromkeys((*image.references, *(record.name for record in records))))
        for name in names:
            try:
                await self._client.images.delete(name, sync=name == names[-1])
            except NotFound:
                log.debug("image.record_gone", name=name)
            self._touch(name)
            self._table.drop(name)
        self._unpacked = {pair for pair in self._unpacked if pair[1] != image.chain_id}

    async def ensure_unpacked(self, image: Image, snapshotter: str = "", *, recheck: bool = False) -> str:
        """Return the chain id of the image's topmost snapshot, after unpacking what an import left packed.

        What was once seen is remembered; after a Prepare that found no parent, ask again with ``recheck``. Raises
        :class:`IncompleteImageError` (as a :class:`DistributionError`) or a ContainerdError.
        """
        snapshotter = snapshotter or self.snapshotter
        known = (snapshotter, image.chain_id)
        if image.chain_id and (recheck or known not in self._unpacked):
            if not await self.unpacker.present(snapshotter, image.chain_id):
                await self._unpack(image, snapshotter)
            self._unpacked.add(known)
        return image.chain_id

    async def _unpack(self, image: Image, snapshotter: str) -> None:
        try:
            await unpack_stored(self._client, self.unpacker, image.target, self.platform, snapshotter)
        except IncompleteImageError:
            # Absent is what it is: the kubelet then pulls it, instead of failing with it for ever.
            for name in image.references:
                self._touch(name)
                self._table.drop(name)
            raise

    async def config_document(self, image: Image) -> bytes:
        """Return the image's configuration as it lies in the content store, JSON."""
        return await self._client.content.read_all(image.id, 8 << 20)

    # -- containerd's side ------------------------------------------------------------------------------------------

    async def _record(self, name: str) -> images_pb2.Image | None:
        try:
            return await self._client.images.get(name)
        except NotFound:
            return None

    async def _described(self, record: images_pb2.Image) -> Image | None:
        """Read what a record points at; None, with one line in the log, when that cannot be used."""
        known = self._table.by_target(record.target.digest)
        if known is not None:
            return known
        try:
            contents = await read_contents(self._client, Descriptor.of(record.target), self.platform)
            if not await self.unpacker.present(self.snapshotter, contents.chain_id):
                absent = await missing_layers(self._client, contents)
                if absent:
                    raise IncompleteImageError(f"layers {', '.join(absent)} are missing")
            image = _image(contents)
        except (DistributionError, CriError) as error:
            if self._broken.get(record.name) != record.target.digest:
                self._broken[record.name] = record.target.digest
                log.warning("image.skipped", name=record.name, target=record.target.digest, error=str(error))
            return None
        self._broken.pop(record.name, None)
        return image

    async def _write(self, name: str, target: Descriptor, *, pinned: bool) -> None:
        labels = dict([MANAGED, PINNED] if pinned else [MANAGED])
        record = images_pb2.Image(name=name, target=target.to_message(), labels=labels)
        try:
            await self._client.images.create(record)
        except AlreadyExists:
            await self._client.images.update(record, "target", *(f"labels.{key}" for key in labels))

    async def _label(self, record: images_pb2.Image, *, pinned: bool) -> None:
        labels = dict([MANAGED, PINNED] if pinned else [MANAGED])
        changed = images_pb2.Image(name=record.name, labels=labels)
        try:
            await self._client.images.update(changed, *(f"labels.{key}" for key in labels))
        except NotFound:
            return  # removed meanwhile; its event is on the way

    # -- memory's side ----------------------------------------------------------------------------------------------

    def _put(self, record: images_pb2.Image, image: Image) -> bool:
        pinned = record.name in self._pinned or record.labels.get(PINNED[0]) == PINNED[1]
        self._touch(record.name)
        self._table.put(record.name, image, pinned=pinned)
        return pinned

    @contextmanager
    def _reading(self, name: str) -> Iterator[_Reading]:
        reading = _Reading()
        self._readings.setdefault(name, []).append(reading)
        try:
            yield reading
        finally:
            self._readings[name].remove(reading)
            if not self._readings[name]:
                del self._readings[name]

    def _touch(self, name: str) -> None:
        """Let every look at this name that is under way begin again: what it has read is older than what we know."""
        for reading in self._readings.get(name, ()):
            reading.stale = True
        for changed in self._changes:
            changed.add(name)


def _image(contents: ImageContents) -> Image:
    return Image(
        id=contents.id,
        target=contents.target,
        chain_id=contents.chain_id,
        size=contents.size,
        config=parse_image_config(contents.config),
        checkpoint=any(is_checkpoint(document.data) for document in contents.documents),
    )
