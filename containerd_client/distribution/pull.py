"""Pull one reference from its registry into content and snapshots, everything held by one lease.

The order of steps is: resolve the reference · read manifests and configuration into memory · store the same, with the
labels by which containerd's garbage collector finds the rest · fetch layers, several at a time, and unpack each as soon
as it and the layer below exist. The caller makes the image permanent by writing an image record before the lease ends;
until then a crash leaves nothing behind but a lease that expires.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct, field

from containerd_client.distribution.contents import walk
from containerd_client.distribution.fetch import SOURCE_LABEL
from containerd_client.distribution.progress import Progress
from containerd_client.distribution.single_flight import all_or_none
from containerd_client.distribution.values.errors import ManifestError
from containerd_client.distribution.values.manifest import LARGEST_DOCUMENT
from containerd_client.distribution.values.media_types import INDEXES, MANIFESTS, SCHEMA1
from containerd_client.distribution.values.platforms import host_platform
from containerd_client.distribution.watch import Unwatched, server_of
from containerd_client.errors import NotFound, ResourceExhausted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from containerd_client import Containerd
    from containerd_client.distribution.contents import ImageContents
    from containerd_client.distribution.fetch import Fetcher
    from containerd_client.distribution.registries.registry import RegistryClient, Source
    from containerd_client.distribution.unpack import Unpacker
    from containerd_client.distribution.values.manifest import Descriptor
    from containerd_client.distribution.values.platforms import Platform
    from containerd_client.distribution.values.reference import Reference
    from containerd_client.distribution.watch import Watch


class PullOptions(Struct, frozen=True):
    """The options of a pull; ``concurrent_downloads`` is per image, 0 means no limit.

    ``progress_timeout`` is in seconds, for each manifest and for the configuration; 0 means none.
    """

    snapshotter: str = "overlayfs"
    platform: Platform = field(default_factory=host_platform)
    concurrent_downloads: int = 3
    progress_timeout: float = 0.0


def snapshot_label(snapshotter: str) -> str:
    """Return the label by which a configuration blob keeps the image's topmost snapshot from being collected."""
    return f"containerd.io/gc.ref.snapshot.{snapshotter}"


def source_labels(reference: Reference) -> dict[str, str]:
    """Return the label that says which repository a blob came from; like containerd, without the port."""
    return {f"{SOURCE_LABEL}{urlsplit(f'//{reference.domain}').hostname}": reference.path}


class Distribution(Struct, frozen=True):
    """The parts that a pull uses."""

    client: Containerd
    registry: RegistryClient
    fetcher: Fetcher
    unpacker: Unpacker
    watch: Watch = field(default_factory=Unwatched)

    async def pull(
        self,
        source: Source,
        lease: str,
        options: PullOptions,
        on_layer: Callable[[Descriptor, str], None] | None = None,
        verify: Callable[[Descriptor], Awaitable[None]] | None = None,
    ) -> ImageContents:
        """Pull one image; ``on_layer`` receives each layer and the URL it came from ("" if it existed already).

        ``verify`` receives the descriptor that the reference points at before anything of it is fetched, and raises to
        reject it; afterwards exactly that digest is fetched. The caller must be inside ``call_options(lease=lease)``.
        Raises a :class:`~containerd_client.distribution.values.errors.DistributionError` or a ContainerdError; what was
        fetched by then is held by the lease only.
        """
        with self.watch.phase("pull.fetch", {"image.ref": str(source.reference)}):
            progress = Progress(f"image {source.reference}", options.progress_timeout)
            target = await self._resolve(source, progress)
            if verify is not None:
                await verify(target)
            return await self._fetch(source, target, progress, lease=lease, options=options, on_layer=on_layer)

    async def _resolve(self, source: Source, progress: Progress) -> Descriptor:
        with (
            self.watch.phase("pull.resolve", {"image.ref": str(source.reference)}) as phase,
            self.watch.waits("registry"),
        ):
            async with progress.within("its registry does not resolve it"):
                target = await self.registry.resolve(source)
            phase.set_attributes(
                {"descriptor.digest": target.digest, **server_of(source.answered.get(str(source.reference), ""))}
            )
        return target

    async def _fetch(
        self,
        source: Source,
        target: Descriptor,
        progress: Progress,
        *,
        lease: str,
        options: PullOptions,
        on_layer: Callable[[Descriptor, str], None] | None,
    ) -> ImageContents:
        async def small(blob: Descriptor) -> bytes:
            async with progress.within(f"{blob.digest} does not arrive"):
                return await self._small(source, blob)

        contents = await walk(small, target, options.platform)
        labels = source_labels(source.reference)
        await all_or_none(
            *(
                self.fetcher.document(document.blob, document.data, labels | document.gc_labels, lease)
                for document in contents.documents
            ),
            self.config(contents, labels, lease, options.snapshotter),
        )
        await self._layers(source, contents, labels, lease=lease, options=options, on_layer=on_layer)
        return contents

    async def config(self, contents: ImageContents, labels: Mapping[str, str], lease: str, snapshotter: str) -> None:
        """Ensure that the image's configuration is in the content store, with the label that holds its snapshot."""
        snapshot_labels = {snapshot_label(snapshotter): contents.chain_id} if contents.chain_id else {}
        await self.fetcher.document(contents.manifest.config, contents.config, {**labels, **snapshot_labels}, lease)

    async def _small(self, source: Source, blob: Descriptor) -> bytes:
        """Return a manifest or configuration, from containerd if it exists there, else from the registry."""
        try:
            return await self.client.content.read_all(blob.digest, LARGEST_DOCUMENT)
        except ResourceExhausted as error:
            raise ManifestError(
                f"blob {blob.digest} is neither a manifest nor a configuration: {error.detail}"
            ) from error
        except NotFound:
            manifest = blob.media_type in INDEXES | MANIFESTS | SCHEMA1
            ask = self.registry.manifest if manifest else self.registry.small_blob
            with self.watch.phase("pull.document", _described(blob)) as phase, self.watch.waits("registry"):
                data = await ask(source, blob)
                phase.set_attributes(server_of(source.answered.get(blob.digest, "")))
            return data

    async def _layers(
        self,
        source: Source,
        contents: ImageContents,
        labels: Mapping[str, str],
        *,
        lease: str,
        options: PullOptions,
        on_layer: Callable[[Descriptor, str], None] | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        slots = asyncio.Semaphore(options.concurrent_downloads or 1_000)
        manifest = contents.manifest
        layers = {layer.digest: layer for layer in (*manifest.layers, *manifest.others)}
        here: dict[str, asyncio.Future[None]] = {digest: loop.create_future() for digest in layers}

        async def fetch(layer: Descriptor, rank: int) -> None:
            async with slots:
                with self.watch.phase("pkg.unpack.unpacker.fetchLayer", _described(layer)) as phase:
                    served_by = await self.fetcher.blob(source, layer, labels, lease, rank)
                    phase.set_attributes(server_of(served_by))
            here[layer.digest].set_result(None)
            if on_layer is not None:
                on_layer(layer, served_by)

        async def unpack() -> None:
            for number, layer in enumerate(contents.manifest.layers):
                await here[layer.digest]
                with self.watch.phase("pkg.unpack.unpacker.unpackLayer", _described(layer)):
                    await self.unpacker.layer(options.snapshotter, contents, number, lease)

        await all_or_none(*(fetch(layer, rank) for rank, layer in enumerate(layers.values())), unpack())


def _described(blob: Descriptor) -> dict[str, str]:
    return {
        "descriptor.digest": blob.digest,
        "descriptor.media.type": blob.media_type,
        "descriptor.size": str(blob.size),
    }
