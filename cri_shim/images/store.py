"""The image store: images in memory for reading, in containerd as the source of truth.

Changes that other clients make arrive as events. What no event reported (containerd 1.7's import sends none) is found
by asking containerd when a name is unknown. Every image that is seen gets the records and labels of containerd's CRI
plugin (:mod:`cri_shim.images.records`), so that the plugin can take over.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError

from containerd_client import ContainerdError
from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.distribution.contents import missing_layers, read_contents
from containerd_client.distribution.unpack import Unpacker
from containerd_client.distribution.values.errors import (
    DistributionError,
    IncompleteImageError,
    InvalidReferenceError,
)
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.platforms import host_platform
from containerd_client.encoding.clean_text import parse_message
from cri_shim.concurrency.keyed_locks import KeyedLocks
from cri_shim.concurrency.pauses import doubling
from cri_shim.images.names import normal_name, record_name
from cri_shim.images.readings import Readings
from cri_shim.images.records import (
    adopt_record,
    delete_record,
    find_record,
    is_managed,
    is_pinned,
    label_record,
    write_record,
)
from cri_shim.images.table import Image, ImageTable, image_of
from cri_shim.images.unpack import unpack_stored
from untrusted import REPLACEMENT

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Coroutine, Iterable, Sequence
    from typing import Any

    from containerd_client import Containerd
    from containerd_client.api.containerd.types import types_pb2
    from containerd_client.distribution.contents import ImageContents
    from containerd_client.distribution.values.platforms import Platform

__all__ = ["Image", "ImageStore"]

AT_ONCE = 8
"""Images that are read at the same time when everything is read."""
READ_AGAIN, READ_AGAIN_AT_LAST = 1.0, 30.0
"""Seconds before the first and, doubled each time, the last attempt to read again what could not be read."""

log = structlog.get_logger(__name__)


class ImageStore:
    """All images of the client's namespace; ``pinned`` holds names (in any form) that are always to be pinned."""

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
        self._pinned = _normal(pinned)
        self._table = ImageTable()
        self._locks = KeyedLocks()
        """By image id, for changes to several records of one image."""
        self._readings = Readings()
        self._unpacked: set[tuple[str, str]] = set()
        self._broken: dict[str, str] = {}
        """Record names of images that cannot be used, and what they point at."""
        self._reading_again = False
        self._unread: set[str] = set()
        """Names of records that could not be read, which does not mean that they are broken."""

    async def pin(self, names: Collection[str]) -> None:
        """Pin these names from now on; those that are here already get their label. Raises a ContainerdError.

        What was pinned before keeps its label, as it does when a daemon starts with other names.
        """
        self._pinned = _normal(names)
        for name in self._pinned & set(self._table.names()):
            await self.refresh(name)

    def list(self) -> tuple[Image, ...]:
        """Return all images, from memory."""
        return tuple(self._table)

    def resolve(self, ref: str) -> Image | None:
        """Return the image for an id, a prefix of one, or a name in any form, from memory.

        Raises ``InvalidArgumentError`` if ``ref`` is empty or matches several ids.
        """
        return self._table.resolve(ref)

    async def find(self, ref: str) -> Image | None:
        """Like :meth:`resolve`, but on a miss ask containerd, where the image may have arrived without an event."""
        image = self._table.resolve(ref)
        if image is not None:
            return image
        name = record_name(ref)
        if name:
            await self.refresh(name)
        return self._table.resolve(ref)

    def absence(self, ref: str) -> str:
        """Return what keeps an image that :meth:`find` does not have from being used, and what to do about it."""
        if record_name(ref) in self._broken:
            return "is in containerd but cannot be used; pull it: that completes it, or says what is wrong with it"
        return "is not here; pull it first"

    async def load_all(self) -> None:
        """Read every image record, and forget the names that no longer exist.

        A broken image is logged, not raised. Raises a ContainerdError only if the list itself cannot be read.
        """
        before = self._table.names()
        with self._readings.of_all() as changed:
            await self._load_all(before, changed)
        log.info("images.loaded", images=len(self._table), names=len(self._table.names()))

    async def _load_all(self, before: tuple[str, ...], changed: set[str]) -> None:
        records = await self._client.images.list()
        stored_names = {record.name for record in records}
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(name: str, record: images_pb2.Image | None) -> None:
            async with slots:
                # For a name that has changed since, the list is out of date.
                await self._read(name, None if name in changed else record)

        async def complete(image: Image) -> None:
            async with slots:
                for name in image.references:
                    if await self._adopt(name, image):
                        break

        gone = [name for name in (*before, *self._broken) if name not in stored_names]
        await _all_done([one(record.name, record) for record in records] + [one(name, None) for name in gone])
        # Earlier versions set the label without making the record under the id.
        await _all_done([complete(image) for image in self._table if image.id not in image.references])

    async def _read(self, name: str, record: images_pb2.Image | None = None) -> None:
        try:
            await self._refresh(name, record)
        except ContainerdError as error:
            self._unread.add(name)
            log.warning("images.unread", name=name, error=str(error))
        else:
            self._unread.discard(name)

    @property
    def has_unread(self) -> bool:
        """Whether there are images that could not be read."""
        return bool(self._unread)

    async def read_unread(self) -> None:
        """Read again, with growing pauses, what could not be read because containerd did not answer.

        A second call while one is at work returns at once: the first reads everything.
        """
        if self._reading_again:
            return
        self._reading_again = True
        try:
            pauses = doubling(READ_AGAIN, READ_AGAIN_AT_LAST)
            while self._unread:
                await asyncio.sleep(next(pauses))
                await _all_done(self._read(name) for name in tuple(self._unread))
        finally:
            self._reading_again = False

    async def on_event(self, envelope: types_pb2.Envelope) -> None:
        """Process one event of topic ``/images/create``, ``/images/update`` or ``/images/delete``.

        An image that containerd does not answer for is left to :meth:`read_unread`: no second event comes for it.
        """
        if envelope.namespace != self._client.namespace or not envelope.topic.startswith("/images/"):
            return
        try:
            # The three messages have the name in the same place.
            event = parse_message(images_pb2.ImageDelete.FromString, envelope.event.value)
        except DecodeError as error:  # any client of containerd may publish events
            log.warning("containerd.event_unreadable", topic=envelope.topic, error=str(error))
            return
        await self._read(event.name)
        await self._read_mended(self._table.by_name(event.name))

    async def refresh(self, name: str) -> Image | None:
        """Update memory about ``name`` from containerd, and about names whose image has become complete with it."""
        await self._refresh(name)
        await self._read_mended(self._table.by_name(name))
        return self._table.by_name(name)

    async def _refresh(self, name: str, record: images_pb2.Image | None = None) -> Image | None:
        """Update memory about ``name``; ``record`` is what containerd has just returned, if it has."""
        given = record is not None
        with self._readings.of(name) as reading:
            while True:
                reading.stale = False
                if record is None:
                    record = await find_record(self._client, name)
                image = await self._described(record) if record is not None else None
                if not reading.stale:
                    break
                record = None
            if image is None or record is None:
                if record is None:
                    self._broken.pop(name, None)
                self._table.drop(name)
                return None
            self._broken.pop(name, None)
            before = self._table.by_name(name)
            pinned = self._put(record, image)
        moved = not given and (before is None or before.id != image.id)
        if not is_managed(record) or (moved and self._table.by_name(image.id) is None):
            await self._adopt(name, image)
        elif pinned and not is_pinned(record):
            await label_record(self._client, name, pinned=True)
        return self._table.by_name(name)

    async def _read_mended(self, image: Image | None) -> None:
        """Read again the names that could not be used and point at this image, which is complete now."""
        if image is not None and self._broken:
            for name in [name for name, digest in self._broken.items() if digest == image.target.digest]:
                await self._read(name)

    async def _adopt(self, name: str, image: Image) -> bool:
        """Complete the records of an image that another client brought as ``name``.

        A client that makes a known name point elsewhere may keep its label, which then says nothing about the image
        that it points at now. Return False if that is out of date.
        """
        async with self._locks.of(image.id):
            # A removal may have come first, and what it has removed must not come back.
            record = await find_record(self._client, name)
            if record is None or record.target.digest != image.target.digest:
                return False
            if is_managed(record) and self._table.by_name(image.id) is not None:
                return True  # by a pull, meanwhile
            pinned = self._is_pinned(record)
            if not await adopt_record(self._client, name, image.target, image.id, pinned=pinned):
                return False
            self._readings.outdate(image.id)
            self._table.put(image.id, image, pinned=pinned)
            return True

    async def record(
        self, contents: ImageContents, names: Iterable[str], snapshotter: str, *, pinned: bool = False
    ) -> Image:
        """Write the records of an image that is in containerd and unpacked, in this order, and put it into memory.

        The caller holds a lease on the contents. Raises a ContainerdError.
        """
        image = image_of(contents)
        async with self._locks.of(image.id):
            for name in names:
                pin = pinned or name in self._pinned
                await write_record(self._client, name, contents.target, pinned=pin)
                self._readings.outdate(name)
                image = self._table.put(name, image, pinned=pin)
        self._unpacked.add((snapshotter, contents.chain_id))
        await self._read_mended(image)
        return image

    async def remove(self, image: Image, ref: str = "") -> None:
        """Delete every record of the image; when the last is gone, containerd has collected what they held.

        The record that ``ref`` names goes last, so that the repetition of an interrupted removal finds the rest. Raises
        a ContainerdError.
        """
        async with self._locks.of(image.id):
            records = await self._client.images.list(f"target.digest=={image.target.digest}")
            last = self._table.name_of(ref) if ref else ""
            existing = {record.name for record in records}
            names = sorted({*image.references, *existing}, key=lambda name: (name == last, name == image.id, name))
            await self._delete(names, image.id, existing)
        self._unpacked = {pair for pair in self._unpacked if pair[1] != image.chain_id}

    async def remove_unusable(self, ref: str) -> None:
        """Delete the records of an image that is in containerd but cannot be used, and so is not in memory.

        Nothing happens if there is no such image. Raises a ContainerdError.
        """
        name = record_name(ref)
        target = self._broken.get(name)
        if target is None:
            return
        async with self._locks.of(target):
            records = await self._client.images.list(f"target.digest=={target}")
            existing = {record.name for record in records}
            names = sorted({name, *existing}, key=lambda each: (each == name, each))
            await self._delete(names, "", existing)
            for each in names:
                self._broken.pop(each, None)

    async def _delete(self, names: Sequence[str], image_id: str, existing: Container[str]) -> None:
        # Deleting a record that is gone, because the answer to an earlier removal was lost, would collect nothing.
        collecting = next((name for name in reversed(names) if name in existing), "")
        for name in names:
            now = self._table.by_name(name)
            if now is not None and now.id != image_id:
                continue  # a pull has made it point at another image since
            if not await delete_record(self._client, name, sync=name == collecting):
                log.debug("image.record_gone", name=name)
            self._readings.outdate(name)
            self._table.drop(name)

    async def ensure_unpacked(self, image: Image, snapshotter: str = "", *, recheck: bool = False) -> str:
        """Return the chain id of the image's topmost snapshot, after unpacking what an import left packed.

        A snapshot that was seen once is remembered; after a Prepare that found no parent, call this again with
        ``recheck``. Raises :class:`IncompleteImageError` (as a :class:`DistributionError`) or a ContainerdError.
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
            # Treat the image as absent: the kubelet then pulls it, instead of failing with it for ever.
            for name in image.references:
                self._readings.outdate(name)
                self._table.drop(name)
                self._broken[name] = image.target.digest
            raise

    async def config_document(self, image: Image) -> bytes:
        """Return the image's configuration as it is in the content store, JSON."""
        return await self._client.content.read_all(image.id, 8 << 20)

    # -- containerd's side ------------------------------------------------------------------------------------------

    async def _described(self, record: images_pb2.Image) -> Image | None:
        """Return the image that a record points at; None, with one line in the log, if it cannot be used."""
        known = self._table.by_target(record.target.digest)
        if known is not None and REPLACEMENT not in record.name:
            return known
        try:
            if REPLACEMENT in record.name:
                raise InvalidReferenceError("its name is not UTF-8, so no request can name it; remove it with ctr")
            contents = await read_contents(self._client, Descriptor.of(record.target), self.platform)
            if not await self.unpacker.present(self.snapshotter, contents.chain_id):
                absent = await missing_layers(self._client, contents)
                if absent:
                    raise IncompleteImageError(f"layers {', '.join(absent)} are missing")
            image = image_of(contents)
        except DistributionError as error:
            if self._broken.get(record.name) != record.target.digest:
                self._broken[record.name] = record.target.digest
                log.warning("image.skipped", name=record.name, target=record.target.digest, error=str(error))
            return None
        return image

    # -- memory's side ----------------------------------------------------------------------------------------------

    def _is_pinned(self, record: images_pb2.Image) -> bool:
        return record.name in self._pinned or is_pinned(record)

    def _put(self, record: images_pb2.Image, image: Image) -> bool:
        pinned = self._is_pinned(record)
        self._readings.outdate(record.name)
        self._table.put(record.name, image, pinned=pinned)
        return pinned


def _normal(names: Collection[str]) -> frozenset[str]:
    return frozenset(normal_name(name) or name for name in names)


async def _all_done(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, Exception):
            log.warning("images.unread", error=str(outcome))
