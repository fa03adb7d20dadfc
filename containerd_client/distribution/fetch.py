"""Fetch one blob from a registry into containerd's content store, however often the connection breaks.

The bytes are streamed chunk by chunk from HTTP into ``Content.Write``. Only the ingest in containerd records how far a
transfer has come, so after any break the transfer continues from the ingest's offset. containerd hashes what it stores
and refuses to commit under another digest. A fetch that fails for good or is cancelled discards its ingest.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from msgspec import Struct, structs

from containerd_client.distribution.blob_copy import BlobCopy
from containerd_client.distribution.chunk_queue import ChunkQueue
from containerd_client.distribution.other_writer import OtherWriter
from containerd_client.distribution.progress import Progress
from containerd_client.distribution.registries.hosts import PULL
from containerd_client.distribution.single_flight import SingleFlight
from containerd_client.distribution.values.errors import (
    CorruptBlobError,
    DistributionError,
    NotInRegistryError,
    OtherLengthError,
    RegistryUnavailableError,
    TransferError,
    UnauthorizedError,
)
from containerd_client.distribution.values.media_types import ingest_ref
from containerd_client.errors import (
    ContainerdError,
    FailedPrecondition,
    NotFound,
    Unavailable,
)
from containerd_client.options import call_options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from containerd_client import Containerd
    from containerd_client.content_writer import Writer
    from containerd_client.distribution.registries.hosts import Host
    from containerd_client.distribution.registries.registry import RegistryClient, Source
    from containerd_client.distribution.values.manifest import Descriptor

SOURCE_LABEL = "containerd.io/distribution.source."
"""Prefix of a label, followed by a registry's host name; the label says which of its repositories a blob came from."""
LONGEST_LABEL = 4096
"""Bytes of a label's name and value together; containerd rejects longer ones."""
STORED = "sha256:"
"""Prefix of the digests that containerd's own content store computes."""
FRUITLESS = 6
"""Consecutive attempts without a single byte after which the fetch of a blob may be given up."""
CLEAN_UP_SECONDS = 10.0
LEFT = ""
"""The sender of what an interrupted pull left; it may be from any host."""
MOST_URLS = 8
"""Number of URLs outside the registry that are tried for one layer."""
LONGEST_PAUSE = 120.0
"""Longest pause between two attempts, in seconds."""

log = logging.getLogger(__name__)


class FetchLimits(Struct, frozen=True):
    """When to give up a blob, in seconds, and how many blobs to fetch at the same time.

    ``progress_timeout``: give up after almost nothing has moved for this long; 0 means never. ``patience``: give up
    after no connection has brought a byte for this long, if some bytes had arrived before or the registry says that it
    is busy (otherwise a few attempts are enough). ``at_once``: number of blobs of all pulls together; 0 means no limit.
    """

    progress_timeout: float = 300.0
    patience: float = 60.0
    at_once: int = 0


class Fetcher:
    """Fetches blobs into the content store, with one transfer at a time for each digest."""

    def __init__(self, client: Containerd, registry: RegistryClient, limits: FetchLimits | None = None) -> None:
        self._client = client
        self._registry = registry
        self._single_flight: SingleFlight[str] = SingleFlight()
        self._chunk_queue = ChunkQueue()
        self._label_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.limit(limits or FetchLimits())

    def limit(self, limits: FetchLimits) -> None:
        """Set the limits of what begins from now on; blobs under way, and what waits for them, keep the old ones."""
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.at_once or 1_000_000)

    async def blob(
        self, source: Source, wanted: Descriptor, labels: Mapping[str, str], lease: str, rank: int = 0
    ) -> str:
        """Ensure that a blob is in the content store, labelled and held by the lease; return the serving URL, or "".

        Of several concurrent blobs, those with the lowest ``rank`` go first. The caller must be inside
        ``call_options(lease=lease)``. Raises :class:`DistributionError` subclasses and :class:`ContainerdError`.
        """
        ours = False

        async def lead() -> str:
            nonlocal ours
            ours = True
            async with self._slots:
                return await self._transfer(source, wanted, labels, rank)

        while True:
            try:
                served_by, led = await self._single_flight.run(wanted.digest, lead)
            except (ContainerdError, DistributionError):
                # The caller that did the work may have failed because of its own lease, deadline or login, which do
                # not concern this one: containerd keeps what it left, and sooner or later this caller does the work.
                if ours:
                    raise
                led, served_by = False, ""
            if led or await self._adopt(wanted, labels, lease):
                return served_by

    async def document(self, wanted: Descriptor, data: bytes, labels: Mapping[str, str], lease: str) -> None:
        """Ensure that a small blob, whose bytes are known, is in the content store and held by the lease."""
        while True:
            _, led = await self._single_flight.run(wanted.digest, lambda: self._write(wanted, data, labels))
            if led or await self._adopt(wanted, labels, lease):
                return

    async def _adopt(self, wanted: Descriptor, labels: Mapping[str, str], lease: str) -> bool:
        """Put a blob that another pull fetched under our lease; return False if it does not exist (any more)."""
        await self._client.leases.add_resource(lease, wanted.digest, "content")
        return await self._labelled(wanted, labels)

    async def _labelled(self, wanted: Descriptor, labels: Mapping[str, str]) -> bool:
        """Complete the labels of a blob; return False if the blob does not exist."""
        lock = self._label_locks.setdefault(wanted.digest, asyncio.Lock())
        async with lock:  # the list of sources is read, extended and written back
            return await self._complete_labels(wanted, labels)

    async def _complete_labels(self, wanted: Descriptor, labels: Mapping[str, str]) -> bool:
        try:
            info = await self._client.content.info(wanted.digest)
            missing = missing_labels(info.labels, labels)
            if missing:
                info.labels.update(missing)
                await self._client.content.update(info, *(f"labels.{name}" for name in missing))
        except NotFound:
            return False
        return True

    async def _write(self, wanted: Descriptor, data: bytes, labels: Mapping[str, str]) -> str:
        ref = ingest_ref(wanted.media_type, wanted.digest)
        other = OtherWriter(self._client, ref, self._limits.progress_timeout)
        done = ours = False
        try:
            while not done:
                try:
                    async with self._client.content.writer(ref, size=len(data), expected=wanted.digest) as writer:
                        ours = True
                        await writer.truncate()
                        await writer.write(data)
                        with _as_corrupt(wanted):
                            await writer.commit(len(data), wanted.digest, labels)
                        existed = writer.exists
                    done = not existed or await self._labelled(wanted, labels)
                except Unavailable as error:
                    await other.wait(error)
        finally:
            if ours and not done:
                await self._abort(ref)
        return ""

    async def _transfer(self, source: Source, wanted: Descriptor, labels: Mapping[str, str], rank: int) -> str:
        ref = ingest_ref(wanted.media_type, wanted.digest)
        other = OtherWriter(self._client, ref, self._limits.progress_timeout)
        done = False
        ours = False
        served_by = ""
        sent_by: set[str] = set()
        registry = _serving(source)[-1:]
        wrong: CorruptBlobError | None = None
        try:
            while not done:
                try:
                    # Opening a writer also puts a blob that exists already under the lease.
                    async with self._client.content.writer(ref, size=wanted.size, expected=wanted.digest) as writer:
                        ours = True
                        if not writer.exists:
                            if writer.offset:
                                sent_by.add(LEFT)
                            served_by = await self._stream(source, wanted, writer, rank, sent_by, wait=wrong is None)
                            await self._commit(wanted, writer, labels)
                        existed = writer.exists
                    done = not existed or await self._labelled(wanted, labels)
                except CorruptBlobError as error:
                    before = source, wanted
                    source, wanted = _others(source, wanted, sent_by)
                    if not source.hosts or ((source, wanted) == before and LEFT not in sent_by):
                        raise
                    sent_by.clear()
                    wrong = None if source.hosts[-1:] == registry else error
                    log.warning("%s; it is fetched again from %s", error, source.hosts[0].base)
                    await self._abort(ref)
                except DistributionError as error:
                    if wrong is None:
                        raise
                    raise CorruptBlobError(f"{wrong}; from the other hosts: {error}") from error
                except Unavailable as error:
                    await other.wait(error)
        finally:
            if ours and not done:  # never an ingest that another client is writing
                await self._abort(ref)
        return served_by

    async def _abort(self, ref: str) -> None:
        try:
            with call_options(timeout=CLEAN_UP_SECONDS):
                await self._client.content.abort(ref)
        except ContainerdError:
            return  # gone already, or containerd is away: once the lease is gone, its collector removes it

    async def _commit(self, wanted: Descriptor, writer: Writer, labels: Mapping[str, str]) -> None:
        progress = Progress(f"blob {wanted.digest}", self._limits.progress_timeout)
        with _as_corrupt(wanted):
            async with progress.within("containerd does not commit it"):
                await writer.commit(wanted.size, wanted.digest, labels=dict(labels))

    async def _stream(
        self, source: Source, wanted: Descriptor, writer: Writer, rank: int, sent_by: set[str], *, wait: bool
    ) -> str:
        """Fill the ingest to its full length; return the URL of the host that sent the last byte.

        The URLs of all that sent some are added to ``sent_by``. ``wait`` is for the registry itself; mirrors that are
        asked in its place are not waited for.
        """
        if writer.offset > wanted.size:
            await writer.truncate()
        served_by = ""
        limits = self._limits
        progress = Progress(f"blob {wanted.digest}", limits.progress_timeout)
        copy = BlobCopy(wanted, writer, progress, self._chunk_queue, rank)
        if wanted.urls and not writer.offset:
            served_by = await self._stream_from_outside(source, wanted, writer, copy)
        fruitless, since = 0, time.monotonic()
        hosts = self._registry.rotation(source)
        while writer.offset < wanted.size:
            before, pause, failure = writer.offset, 0.0, "the connection ended early"
            host = hosts.next()
            try:
                # Half of the limit, so that a connection that died silently is replaced once before giving up.
                async with self._registry.blob(
                    source, wanted, offset=before, host=host, read_timeout=limits.progress_timeout / 2 or None
                ) as body:
                    served_by = body.served_by
                    sent_by.add(served_by)
                    await copy.run(body.chunks)
            except TransferError as error:
                pause, failure = error.wait if hosts.is_last(host) else 0.0, str(error)
            except (NotInRegistryError, UnauthorizedError, OtherLengthError, RegistryUnavailableError) as error:
                if hosts.exhausted:
                    raise
                hosts.refused(host)
                failure = str(error)
            progress.check(failure)
            if writer.offset > before:
                fruitless, since = 0, time.monotonic()
                hosts.prefer(host)
                continue
            if hosts.more:
                continue  # only the last host is waited for
            if not wait:
                raise RegistryUnavailableError(failure)
            fruitless += 1
            # A host that says that it is busy, or that has sent some bytes, is worth waiting for.
            patience = limits.patience if pause or writer.offset else 0.0
            if fruitless >= FRUITLESS and time.monotonic() - since >= patience:
                raise RegistryUnavailableError(f"blob {wanted.digest}: given up after {fruitless} attempts: {failure}")
            await asyncio.sleep(self._pause(wanted, progress, pause, fruitless))
        return served_by

    async def _stream_from_outside(self, source: Source, wanted: Descriptor, writer: Writer, copy: BlobCopy) -> str:
        """Get a layer that registries may not distribute from a URL of its descriptor; return "" if none has it.

        These URLs come first, as in containerd, and then the registry. An incomplete copy is discarded, because it may
        be part of another blob.
        """
        for url in wanted.urls[:MOST_URLS]:
            if not url.startswith(("http://", "https://")):
                continue
            try:
                limit = self._limits.progress_timeout / 2 or None
                async with self._registry.blob(source, wanted, url=url, read_timeout=limit) as body:
                    await copy.run(body.chunks)
            except DistributionError:
                pass  # try the next URL and finally the registry, whose failure is the one that is reported
            if writer.offset == wanted.size:
                return body.served_by
            if writer.offset:
                await writer.truncate()
        return ""

    def _pause(self, wanted: Descriptor, progress: Progress, wait: float, fruitless: int) -> float:
        """Return the seconds until the next attempt: at least what the server asked for, growing, and with jitter."""
        grown = min(5.0, 0.1 * 2 ** min(fruitless, 10))
        pause = max(wait, grown / 2 if wait else grown)
        if progress.limit and progress.idle + pause > progress.limit and wait > grown:
            raise RegistryUnavailableError(
                f"blob {wanted.digest}: the registry asks to wait {wait:g} s, longer than a pull may stand"
            )
        return float(min(pause, LONGEST_PAUSE) * random.uniform(1.0, 1.2))  # noqa: S311 - jitter


def _serving(source: Source) -> tuple[Host, ...]:
    return tuple(one for one in source.hosts if PULL in one.capabilities)


def _others(source: Source, wanted: Descriptor, sent_by: set[str]) -> tuple[Source, Descriptor]:
    """Return both without the hosts and URLs that may have sent wrong bytes; no hosts mean that none is left.

    If several hosts have sent parts of the blob, the registry itself may have sent good ones, and gets another chance.
    """
    serving = _serving(source)
    others = tuple(one for one in serving if one.base not in sent_by)
    if len(sent_by) > 1 and not others:
        others = serving[-1:]
    return replace(source, hosts=others), structs.replace(wanted, urls=())


@contextmanager
def _as_corrupt(wanted: Descriptor) -> Iterator[None]:
    """Turn containerd's refusal to commit a blob inside the block into a CorruptBlobError."""
    try:
        yield
    except FailedPrecondition as error:
        what = "is not what the registry sent"
        if not wanted.digest.startswith(STORED):
            what = "has a digest that this containerd does not support (it supports sha256 only)"
        raise CorruptBlobError(f"blob {wanted.digest} {what}: {error.detail}") from error


def missing_labels(present: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the labels to set; the sources of a blob add up in a comma-separated list, other labels are replaced.

    The list of a layer that very many repositories share may be full; it then stays unchanged.
    """
    labels: dict[str, str] = {}
    for name, value in wanted.items():
        before = present.get(name, "")
        if name.startswith(SOURCE_LABEL) and before:
            value = ",".join(sorted({*before.split(","), value}))  # noqa: PLW2901 - the same label, completed
            if len(name.encode()) + len(value.encode()) > LONGEST_LABEL:
                continue
        if value != before:
            labels[name] = value
    return labels
