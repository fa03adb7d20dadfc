"""Parse manifests, indexes and image configurations into values.

OCI's and Docker's documents (schema 2, list) differ only in their media types. Everything that a registry sends is
checked before it is used, because a digest becomes part of a path and a size becomes a limit. JSON is read by Go's
rules (:mod:`untrusted`), because images are tested with programs written in Go.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from containerd_client.api.containerd.types import types_pb2
from containerd_client.distribution.values.errors import ManifestError, NoPlatformError
from containerd_client.distribution.values.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEXES,
    MANIFESTS,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA1,
    is_layer,
    without_parameters,
)
from containerd_client.distribution.values.platforms import Platform, rank
from containerd_client.distribution.values.reference import is_digest
from untrusted import DocumentError, Object, escaped, parse_object, read_shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from untrusted.shape import Shape

LARGEST_DOCUMENT = 8 << 20
"""Largest size of a manifest or image configuration in bytes (containerd's own limit)."""


_CONFIG: Final[Shape] = {
    "created": "time",
    "author": "text",
    "config": {
        **dict.fromkeys(("User", "WorkingDir", "StopSignal"), "text"),
        **dict.fromkeys(("Env", "Entrypoint", "Cmd"), "texts"),
        **dict.fromkeys(("ExposedPorts", "Volumes"), "object_map"),
        "Labels": "text_map",
    },
    "rootfs": {"type": "text", "diff_ids": "texts"},
    "history": [
        {
            "created": "time",
            **dict.fromkeys(("created_by", "author", "comment"), "text"),
            "empty_layer": "boolean",
        }
    ],
}
"""Types of the fields of an image configuration; containerd unpacks no image in which one of them is another."""
LONGEST_PLATFORM = 64
MOST_PLATFORMS = 32
"""Number of platforms of an index, and of characters of each, that an error text shows."""


class Descriptor(Struct, frozen=True):
    """The digest, media type and size of a blob; ``platform`` is set only for the members of an index.

    ``urls`` are places outside the registry that also have the blob, for layers that registries may not distribute.
    """

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    urls: tuple[str, ...] = ()

    def to_message(self) -> types_pb2.Descriptor:
        """Return the descriptor as a message for containerd's services."""
        return types_pb2.Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)

    @staticmethod
    def of(message: types_pb2.Descriptor) -> Descriptor:
        """Read a message of containerd's services; another client may have stored any size."""
        return Descriptor(message.media_type, message.digest, max(message.size, 0))


class Manifest(Struct, frozen=True):
    """One image for one platform.

    ``others`` are the layers of unknown type; like containerd, this package stores them and does not unpack them.
    """

    config: Descriptor
    layers: tuple[Descriptor, ...]
    others: tuple[Descriptor, ...] = ()

    def children(self) -> dict[str, Descriptor]:
        """Return the blobs it refers to, under the names of containerd's garbage-collection labels."""
        layers = {f"l.{number}": layer for number, layer in enumerate(self.layers)}
        return {"config": self.config} | layers | {str(number): blob for number, blob in enumerate(self.others)}


class Index(Struct, frozen=True):
    """Several images (or further indexes) under one digest."""

    manifests: tuple[Descriptor, ...]

    def children(self) -> dict[str, Descriptor]:
        """Return the blobs it refers to, under the names of containerd's garbage-collection labels."""
        return {f"m.{number}": member for number, member in enumerate(self.manifests)}


class RootFs(Struct, frozen=True):
    """The layers and the platform of an image configuration; the platform's fields may be empty."""

    diff_ids: tuple[str, ...]
    platform: Platform


def gc_labels(document: Manifest | Index) -> dict[str, str]:
    """Return the labels by which containerd's garbage collector finds the blobs that this one refers to."""
    return {f"containerd.io/gc.ref.content.{name}": child.digest for name, child in document.children().items()}


def parse_document(data: bytes, media_type: str, digest: str) -> Manifest | Index:
    """Parse a manifest or an index; ``media_type``, from the registry or the descriptor, may be empty.

    Raises :class:`ManifestError`, also for Docker's schema 1, which no current containerd accepts.
    """
    what = f"manifest {digest}"
    with _refused(what):
        document = parse_object(data, limit=LARGEST_DOCUMENT)
        own = document.text("mediaType")
        kind = without_parameters(own or media_type)
        if document.integer("schemaVersion") == 1 or "fsLayers" in document or kind in SCHEMA1:
            raise ManifestError(
                f"{what} has Docker's schema 1, which is obsolete and not supported; "
                "push the image again with a newer tool"
            )
        _require_one_kind(kind, without_parameters(media_type), what)
        document.text_map("annotations")
        if kind in INDEXES or (kind not in MANIFESTS and "manifests" in document):
            if "layers" in document or "config" in document:
                raise ManifestError(f"{what} is an index but also lists layers or a configuration")
            return Index(tuple(_descriptor(item, what) for item in document.objects("manifests")))
        if kind in MANIFESTS or "layers" in document or "config" in document:
            if "manifests" in document:
                raise ManifestError(f"{what} is a manifest but also lists manifests")
            blobs = [_descriptor(item, what) for item in document.objects("layers")]
            return Manifest(
                _descriptor(document.object("config") or Object(), what),
                tuple(blob for blob in blobs if is_layer(blob.media_type)),
                tuple(blob for blob in blobs if not is_layer(blob.media_type)),
            )
    raise ManifestError(f"{what} has media type '{escaped(kind) or 'none'}', which is not an image manifest or index")


def _require_one_kind(own: str, offered: str, what: str) -> None:
    """Reject an index that poses as a manifest or the reverse: two programs would see two images (CVE-2021-41190)."""
    if (own in INDEXES and offered in MANIFESTS) or (own in MANIFESTS and offered in INDEXES):
        raise ManifestError(f"{what} was sent as {offered} but its own media type is {own}")


def media_type_of(data: bytes, offered: str) -> str:
    """Return the document's media type: its own field, else the offered type, else the type that its shape implies."""
    kind = without_parameters(offered)
    try:
        document = parse_object(data)
        kind = without_parameters(document.text("mediaType")) or kind
        if kind in INDEXES | MANIFESTS | SCHEMA1:
            return kind
        if document.value("schemaVersion") == 1:
            return next(iter(sorted(SCHEMA1)))
        docker = "docker" in str(document.value("config" if "config" in document else "manifests"))
    except DocumentError:
        return kind
    if "manifests" in document:
        return DOCKER_LIST if docker else OCI_INDEX
    if "layers" in document:
        return DOCKER_MANIFEST if docker else OCI_MANIFEST
    return kind


def parse_rootfs(data: bytes, digest: str) -> RootFs:
    """Read the diff ids and the platform from an image configuration; raises :class:`ManifestError`."""
    what = f"image configuration {digest}"
    with _refused(what):
        document = parse_object(data, limit=LARGEST_DOCUMENT)
        diff_ids = read_shape(document, _CONFIG).get("rootfs", {}).get("diff_ids", ())
        platform = _platform(document)
    if not all(is_digest(diff_id) for diff_id in diff_ids):
        raise ManifestError(f"{what}: rootfs.diff_ids is not a list of digests")
    return RootFs(tuple(diff_ids), platform)


def candidates(index: Index, host: Platform, digest: str) -> tuple[Descriptor, ...]:
    """Return the members of the index that run on ``host``, best first; members without a platform come last.

    Raises :class:`NoPlatformError`, which lists the platforms that the index has.
    """
    ranked: list[tuple[int, int, Descriptor]] = []
    for number, member in enumerate(index.manifests):
        place = rank(member.platform, host) if member.platform else 1000
        if place is not None:
            ranked.append((place, number, member))
    if not ranked:
        raise NoPlatformError(f"index {digest} has no image for {host}; it has {_offered(index)}")
    return tuple(member for _, _, member in sorted(ranked, key=lambda item: item[:2]))


def _offered(index: Index) -> str:
    names = {str(member.platform or "unknown") or "an unnamed platform" for member in index.manifests}
    there = sorted(escaped(name, LONGEST_PLATFORM) for name in names)
    more = f" and {len(there) - MOST_PLATFORMS} more" if len(there) > MOST_PLATFORMS else ""
    return (", ".join(there[:MOST_PLATFORMS]) or "nothing") + more


@contextmanager
def _refused(what: str) -> Iterator[None]:
    try:
        yield
    except DocumentError as error:
        raise ManifestError(f"{what}: {error}") from error


def parse_descriptor(item: Object, what: str) -> Descriptor:
    """Parse a descriptor in the document named ``what``; raises :class:`ManifestError`."""
    with _refused(what):
        return _descriptor(item, what)


def _descriptor(item: Object, what: str) -> Descriptor:
    media_type, digest = item.text("mediaType"), item.text("digest")
    if not is_digest(digest):
        raise ManifestError(f"{what}: a descriptor's digest '{escaped(digest)}' is not a digest")
    if not media_type:
        raise ManifestError(f"{what}: the descriptor of {digest} has no mediaType")
    if "size" not in item:
        raise ManifestError(f"{what}: the descriptor of {digest} has no size")
    item.text_map("annotations")  # not used, but containerd refuses a manifest in which they are something else
    platform = item.object("platform")
    return Descriptor(
        media_type,
        digest,
        item.integer("size", least=0),
        None if platform is None else _platform(platform),
        item.texts("urls"),
    )


def _platform(document: Object) -> Platform:
    document.text("os.version"), document.texts("os.features")
    return Platform(document.text("os"), document.text("architecture"), document.text("variant"))
