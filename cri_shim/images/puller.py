"""Pull an image for CRI: one pull for each reference at a time, under a lease, ending in image records.

The steps are in :mod:`containerd_client.distribution.pull`. This module makes them safe to repeat and to interrupt. A
request for an image that is being pulled waits for that pull. A client that hangs up (the kubelet does) only stops
waiting, and the pull is cancelled when its last waiter is gone. Then its ingests are aborted, its lease is deleted, and
containerd collects what only the lease held.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import Struct, field

from containerd_client import detached_options
from containerd_client.distribution.fetch import Fetcher, FetchLimits
from containerd_client.distribution.pull import Distribution, PullOptions
from containerd_client.distribution.registries.credentials import ANONYMOUS
from containerd_client.distribution.registries.hosts import hosts_of, split_config_path
from containerd_client.distribution.registries.registry import RegistryClient, Source
from containerd_client.distribution.single_flight import SingleFlight
from containerd_client.distribution.transfer_pull import TransferPull
from containerd_client.distribution.values.reference import parse_reference
from cri_shim.errors import CriError
from cri_shim.images.auth_config import fingerprint
from cri_shim.images.missing_snapshotter import snapshotter_loaded
from cri_shim.images.names import MANAGED, record_names
from cri_shim.images.pull_errors import as_cri_errors
from cri_shim.images.pull_watch import TimelineWatch
from cri_shim.images.unpack import LEASE_LABELS
from cri_shim.images.verifier import ImageVerifier
from cri_shim.metered import metered
from cri_shim.part_history import PartHistory
from cri_shim.timeline import awaited, stage
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    from containerd_client import Containerd
    from containerd_client.distribution.contents import ImageContents
    from containerd_client.distribution.registries.credentials import Credentials
    from containerd_client.distribution.values.manifest import Descriptor
    from containerd_client.distribution.values.reference import Reference
    from cri_shim.images.store import Image, ImageStore

log = structlog.get_logger(__name__)


class PullSettings(Struct, frozen=True):
    """How images are pulled.

    ``config_path`` lists directories of HOST/hosts.toml, separated by colons. ``max_concurrent_downloads`` limits
    layers of one image at the same time and ``max_total_downloads`` those of all images (0 means no limit).
    ``progress_timeout`` is in seconds without progress in any phase (0 means never). With ``transfer`` containerd's
    Transfer service pulls. ``verifier`` is asked before each pull.
    """

    config_path: str = ""
    max_concurrent_downloads: int = 3
    max_total_downloads: int = 0
    progress_timeout: float = 300.0
    transfer: bool = False
    verifier: ImageVerifier = field(default_factory=ImageVerifier)

    @property
    def directories(self) -> tuple[Path, ...]:
        """The directories of ``config_path``, in the order in which they are searched."""
        return split_config_path(self.config_path)


class ImagePuller:
    """Brings images into containerd and into the store."""

    def __init__(
        self,
        client: Containerd,
        images: ImageStore,
        settings: PullSettings | None = None,
        registry: RegistryClient | None = None,
    ) -> None:
        self._client = client
        self._images = images
        self._registry = registry or RegistryClient()
        self._fetcher = Fetcher(client, self._registry)
        self._distribution = Distribution(client, self._registry, self._fetcher, images.unpacker, TimelineWatch())
        self.use(settings or PullSettings())
        self._single_flight: SingleFlight[Image] = SingleFlight()
        self.outcomes: Counter[str] = Counter()
        """Pulls that have ended, by ``ok`` or ``failed``; a pull with many waiters counts once."""
        self.bytes_by_host: Counter[str] = Counter()
        """Bytes of layers, by the host that served them."""
        self.history = PartHistory()
        """The last pull that failed."""

    def use(self, settings: PullSettings) -> None:
        """Pull with these settings from now on; a pull under way goes on as it began."""
        self._settings = settings
        self._images.unpacker.progress_timeout = settings.progress_timeout
        self._fetcher.limit(FetchLimits(settings.progress_timeout, at_once=settings.max_total_downloads))

    @property
    def in_flight(self) -> int:
        """The number of pulls under way."""
        return len(self._single_flight)

    async def close(self) -> None:
        """Close the connections to registries."""
        await self._registry.close()

    async def forget_leases(self) -> None:
        """Delete the leases that pulls of a killed daemon left; call this once at start, before the first pull.

        Raises a ContainerdError.
        """
        for lease in await self._client.leases.list():
            if LEASE_LABELS.items() <= dict(lease.labels).items():
                await self._client.leases.delete(lease.id)
                log.info("image.lease_forgotten", lease=lease.id)

    async def pull(
        self, reference: str, snapshotter: str = "", *, credentials: Credentials = ANONYMOUS, pinned: bool = False
    ) -> Image:
        """Pull, even if the image is here already; return it unpacked for ``snapshotter`` (empty: the default one).

        Raises a CriError that names the reference.
        """
        snapshotter = snapshotter or self._images.snapshotter
        what = f"pull image '{escaped(reference)}'"
        with self._noted(), as_cri_errors(what, credentials.secrets()), snapshotter_loaded(what):
            parsed = parse_reference(reference)
            # A client without a login must not get an image through the pull of a client that may see it.
            image, _ = await self._single_flight.run(
                f"{snapshotter} {parsed} {fingerprint(credentials)}",
                lambda: metered(self._counted(self._pull(parsed, snapshotter, credentials, pinned=pinned))),
                lambda: awaited("joined"),
            )
        return image

    async def ensure(self, reference: str, snapshotter: str = "") -> Image:
        """Return the image, pulled if absent and unpacked if packed; this is for the sandbox image.

        Raises as :meth:`pull` does.
        """
        image = await self._images.find(reference)
        if image is None:
            return await self.pull(reference, snapshotter)
        await self.ensure_unpacked(image, snapshotter)
        return image

    async def ensure_unpacked(self, image: Image, snapshotter: str = "") -> str:
        """Return the chain id of the image's snapshot, which exists or was seen to exist.

        Raises as :meth:`pull` does.
        """
        what = f"unpack image {image.id}"
        with as_cri_errors(what), snapshotter_loaded(what):
            return await self._images.ensure_unpacked(image, snapshotter)

    async def unpack(self, image: Image, snapshotter: str = "") -> str:
        """Do the same without trusting memory: for a caller that found the parent of its snapshot missing."""
        what = f"unpack image {image.id}"
        with as_cri_errors(what), snapshotter_loaded(what):
            return await self._images.ensure_unpacked(image, snapshotter, recheck=True)

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except CriError as error:
            self.history.note_error(str(error))
            raise

    async def _counted(self, pull: Coroutine[Any, Any, Image]) -> Image:
        outcome = "failed"
        try:
            image = await pull
            outcome = "ok"
        finally:
            self.outcomes[outcome] += 1
        return image

    async def _pull(self, reference: Reference, snapshotter: str, credentials: Credentials, *, pinned: bool) -> Image:
        began = time.monotonic()
        settings = self._settings
        verifier = settings.verifier
        served: dict[str, str] = {}

        def on_layer(layer: Descriptor, served_by: str) -> None:
            served[layer.digest] = served_by
            if served_by:
                self.bytes_by_host[served_by] += layer.size
            log.debug("image.layer", image=str(reference), layer=layer.digest, bytes=layer.size, served_by=served_by)

        async def verify(target: Descriptor) -> None:
            if programs := await verifier.programs():
                with stage("pull.verify"):
                    await verifier.verify(str(reference), target, programs)

        # The pull belongs to all of its waiters, so the deadline of the request that began it must not end it.
        with detached_options():
            options = PullOptions(
                snapshotter, self._images.platform, settings.max_concurrent_downloads, settings.progress_timeout
            )
            async with self._client.leases.hold(LEASE_LABELS) as lease:
                transfer = TransferPull(self._client, self._images.unpacker, settings.directories)
                if settings.transfer and await transfer.serves(reference):
                    labels = dict([MANAGED])
                    digest = await self._verified(reference, credentials, settings)
                    contents = await transfer.pull(reference, credentials, lease.id, options, labels, digest=digest)
                else:
                    source = await self._source(reference, credentials, settings)
                    contents = await self._distribution.pull(source, lease.id, options, on_layer, verify)
                names = record_names(reference, contents.id, contents.target.digest)
                with stage("pull.createNewImage", {"image.ref": str(reference), "image.id": contents.id}):
                    image = await self._images.record(contents, names, snapshotter, pinned=pinned)
        self._log_pull(reference, contents, served, time.monotonic() - began)
        return image

    async def _source(self, reference: Reference, credentials: Credentials, settings: PullSettings) -> Source:
        hosts = await asyncio.to_thread(hosts_of, reference.domain, settings.directories)
        return Source(reference, hosts, credentials)

    async def _verified(self, reference: Reference, credentials: Credentials, settings: PullSettings) -> str:
        """Return the digest that the verifiers allow containerd to fetch; empty if there are no verifiers."""
        programs = await settings.verifier.programs()
        if not programs:
            return ""
        target = await self._registry.resolve(await self._source(reference, credentials, settings))
        await settings.verifier.verify(str(reference), target, programs)
        return target.digest

    def _log_pull(self, reference: Reference, contents: ImageContents, served: dict[str, str], seconds: float) -> None:
        fetched = [layer for layer in contents.manifest.layers if served.get(layer.digest)]
        log.info(
            "image.pulled",
            image=str(reference),
            image_id=contents.id,
            digest=contents.target.digest,
            layers=len(contents.manifest.layers),
            layers_fetched=len(fetched),
            bytes_fetched=sum(layer.size for layer in fetched),
            served_by=sorted(set(served.values()) - {""}),
            seconds=round(seconds, 3),
        )
