"""Walk an image's blobs, from the descriptor that its name points at to the layers for this platform.

The same walk serves a pull, where blobs come from the registry, and reading from the content store, where all of them
must exist; only the function that gets a blob differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from containerd_client.distribution.values.chain import chain_ids
from containerd_client.distribution.values.errors import (
    IncompleteImageError,
    ManifestError,
    NoPlatformError,
    NotAnImageError,
)
from containerd_client.distribution.values.manifest import (
    LARGEST_DOCUMENT,
    Descriptor,
    Index,
    Manifest,
    candidates,
    gc_labels,
    parse_document,
    parse_rootfs,
)
from containerd_client.distribution.values.media_types import CONFIGS, LEGACY_CONFIG
from containerd_client.distribution.values.platforms import rank
from containerd_client.errors import NotFound, ResourceExhausted
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from containerd_client import Containerd
    from containerd_client.distribution.values.platforms import Platform

DEEPEST = 8
"""Number of indexes within each other that are followed."""
SHOWN_KINDS = 4
"""Number of media types of an artifact that an error text shows."""
LARGEST_SIZE = (1 << 63) - 1
"""Largest image size in bytes; a larger one is reported as this, so that it fits the integer type of every client."""


class Document(Struct, frozen=True):
    """One small blob of an image, with the labels that keep the blobs it refers to from being collected."""

    blob: Descriptor
    data: bytes
    gc_labels: dict[str, str]


class ImageContents(Struct, frozen=True):
    """One image for one platform. ``diff_ids`` and ``chains`` run parallel to ``manifest.layers``."""

    target: Descriptor
    """The descriptor that the name points at: an index or the manifest itself."""
    manifest: Manifest
    documents: tuple[Document, ...]
    """The indexes on the way and the manifest, topmost first."""
    config: bytes
    diff_ids: tuple[str, ...]
    chains: tuple[str, ...]

    @property
    def id(self) -> str:
        """Return the image id, which is the digest of the configuration."""
        return self.manifest.config.digest

    @property
    def chain_id(self) -> str:
        """Return the name of the topmost snapshot; empty for an image without layers."""
        return self.chains[-1] if self.chains else ""

    @property
    def size(self) -> int:
        """Return the bytes in the store: indexes, manifest, configuration and layers, as containerd's client counts."""
        blobs = (
            *(document.blob for document in self.documents),
            self.manifest.config,
            *self.manifest.layers,
            *self.manifest.others,
        )
        return min(sum(blob.size for blob in blobs), LARGEST_SIZE)


async def walk(get: Callable[[Descriptor], Awaitable[bytes]], target: Descriptor, host: Platform) -> ImageContents:
    """Follow ``target`` to the image for ``host``; ``get`` returns the bytes of an index, manifest or configuration.

    If the blob of an index member is missing (``get`` raises :class:`~containerd_client.errors.NotFound`), the next
    best member is used. As in containerd, the index decides about the platform, and only a member for which it names
    none is judged by its configuration. A manifest that was requested directly is accepted for any machine, because
    this machine may have an emulator. Raises :class:`ManifestError` and whatever ``get`` raises.
    """
    documents: list[Document] = []
    step: tuple[Descriptor, ...] = (target,)
    for _ in range(DEEPEST + 1):
        blob, data = await _first_present(get, step)
        parsed = parse_document(data, blob.media_type, blob.digest)
        documents.append(Document(blob, data, gc_labels(parsed)))
        if isinstance(parsed, Index):
            step = candidates(parsed, host, blob.digest)
            continue
        known_config = parsed.config.media_type in CONFIGS or parsed.config.media_type == LEGACY_CONFIG
        if not known_config and not parsed.layers:
            raise _not_an_image(target, parsed)
        config = await get(parsed.config)
        rootfs = parse_rootfs(config, parsed.config.digest)
        if blob is not target and blob.platform is None and rank(rootfs.platform, host) is None:
            there = escaped(str(rootfs.platform)) or "an unnamed platform"
            raise NoPlatformError(f"image {target.digest} is for {there}, this machine is {host}")
        if len(rootfs.diff_ids) != len(parsed.layers):
            if not known_config or (parsed.others and not parsed.layers):
                raise _not_an_image(target, parsed)
            raise ManifestError(
                f"image {target.digest}: the manifest lists {len(parsed.layers)} layers, the configuration "
                f"{len(rootfs.diff_ids)}"
            )
        return ImageContents(target, parsed, tuple(documents), config, rootfs.diff_ids, chain_ids(rootfs.diff_ids))
    raise ManifestError(f"index {target.digest}: indexes are nested more than {DEEPEST} deep")


def _not_an_image(target: Descriptor, manifest: Manifest) -> NotAnImageError:
    kinds = dict.fromkeys(blob.media_type for blob in manifest.others)
    holds = ", ".join(escaped(kind) for kind in list(kinds)[:SHOWN_KINDS]) or "no file system layers"
    return NotAnImageError(
        f"{target.digest} is not a container image but another artifact: its configuration is "
        f"'{escaped(manifest.config.media_type)}', it holds {holds}"
    )


async def _first_present(
    get: Callable[[Descriptor], Awaitable[bytes]], choices: tuple[Descriptor, ...]
) -> tuple[Descriptor, bytes]:
    for choice in choices[:-1]:
        try:
            return choice, await get(choice)
        except NotFound:
            continue
    return choices[-1], await get(choices[-1])


async def read_contents(client: Containerd, target: Descriptor, host: Platform) -> ImageContents:
    """Read an image from the content store; raises :class:`IncompleteImageError` if a blob is missing."""

    async def get(blob: Descriptor) -> bytes:
        return await client.content.read_all(blob.digest, LARGEST_DOCUMENT)

    try:
        return await walk(get, target, host)
    except NotFound as error:
        raise IncompleteImageError(f"image {target.digest} is incomplete in containerd: {error.detail}") from error
    except ResourceExhausted as error:
        raise ManifestError(f"image {target.digest}: {error.detail}") from error


async def missing_layers(client: Containerd, contents: ImageContents) -> tuple[str, ...]:
    """Return the digests of the layers that are missing in the content store."""
    absent: list[str] = []
    for layer in contents.manifest.layers:
        try:
            await client.content.info(layer.digest)
        except NotFound:
            absent.append(layer.digest)
    return tuple(absent)
