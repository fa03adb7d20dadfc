"""Manifests, indexes and image configurations as values.

OCI's and Docker's (schema 2, list) differ in nothing but media types. Everything that a registry sends is checked
before it is used: a digest becomes part of a path, a size becomes a limit.
"""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from containerd_client.api.containerd.types import types_pb2
from containerd_client.distribution.errors import ManifestError, NoPlatformError
from containerd_client.distribution.media_types import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEXES,
    MANIFESTS,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA1,
    bare,
)
from containerd_client.distribution.platforms import Platform, rank
from containerd_client.distribution.reference import is_digest

LARGEST_DOCUMENT = 8 << 20
"""Bytes; more than this is taken for no manifest or image configuration (containerd's own limit)."""


class Descriptor(Struct, frozen=True):
    """Where a blob is (its digest), what it is and how long; ``platform`` only for the members of an index."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None

    def to_message(self) -> types_pb2.Descriptor:
        """Return what containerd's services take."""
        return types_pb2.Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)

    @staticmethod
    def of(message: types_pb2.Descriptor) -> Descriptor:
        """Read what containerd's services give."""
        return Descriptor(message.media_type, message.digest, message.size)


class Manifest(Struct, frozen=True):
    """One image for one platform."""

    config: Descriptor
    layers: tuple[Descriptor, ...]

    def children(self) -> dict[str, Descriptor]:
        """Return the blobs it refers to, under the names of containerd's garbage-collection labels."""
        return {"config": self.config} | {f"l.{number}": layer for number, layer in enumerate(self.layers)}


class Index(Struct, frozen=True):
    """Several images (or further indexes) under one digest."""

    manifests: tuple[Descriptor, ...]

    def children(self) -> dict[str, Descriptor]:
        """Return the blobs it refers to, under the names of containerd's garbage-collection labels."""
        return {f"m.{number}": member for number, member in enumerate(self.manifests)}


class RootFs(Struct, frozen=True):
    """What an image configuration says about layers and platform."""

    diff_ids: tuple[str, ...]
    platform: Platform | None


def gc_labels(document: Manifest | Index) -> dict[str, str]:
    """Return the labels with which containerd's garbage collector walks from this blob to those it refers to."""
    return {f"containerd.io/gc.ref.content.{name}": child.digest for name, child in document.children().items()}


def parse_document(data: bytes, media_type: str, digest: str) -> Manifest | Index:
    """Read a manifest or an index; ``media_type`` as the registry or the descriptor gave it may be empty.

    Raises :class:`ManifestError`, also for Docker's schema 1, which no current containerd takes.
    """
    what = f"manifest {digest}"
    document = _object(data, what)
    own = document.get("mediaType")
    kind = bare(own if isinstance(own, str) else media_type)
    if document.get("schemaVersion") == 1 or kind in SCHEMA1:
        raise ManifestError(
            f"{what} has Docker's schema 1, which is obsolete and not supported; push the image again with a newer tool"
        )
    if kind in INDEXES or (kind not in MANIFESTS and "manifests" in document):
        if "layers" in document:
            raise ManifestError(f"{what} is an index but also lists layers")
        return Index(tuple(_descriptor(item, what) for item in _list(document, "manifests", what)))
    if kind in MANIFESTS or "layers" in document:
        if "manifests" in document:
            raise ManifestError(f"{what} is a manifest but also lists manifests")
        layers = _list(document, "layers", what)
        return Manifest(_descriptor(document.get("config"), what), tuple(_descriptor(item, what) for item in layers))
    raise ManifestError(f"{what} has media type {kind or 'none'!r}, which is no image manifest or index")


def media_type_of(data: bytes, offered: str) -> str:
    """Return the document's media type: its own field, else what was offered, else what its shape tells."""
    try:
        document = json.loads(data)
    except ValueError:
        return bare(offered)
    own = document.get("mediaType") if isinstance(document, dict) else None
    kind = bare(own if isinstance(own, str) else offered)
    known = INDEXES | MANIFESTS | SCHEMA1
    if kind in known or not isinstance(document, dict):
        return kind
    if document.get("schemaVersion") == 1:
        return next(iter(sorted(SCHEMA1)))
    docker = "docker" in str((document.get("config") or {}) if "config" in document else document.get("manifests"))
    if "manifests" in document:
        return DOCKER_LIST if docker else OCI_INDEX
    if "layers" in document:
        return DOCKER_MANIFEST if docker else OCI_MANIFEST
    return kind


def parse_rootfs(data: bytes, digest: str) -> RootFs:
    """Read the diff ids and the platform out of an image configuration; raises :class:`ManifestError`."""
    what = f"image configuration {digest}"
    document = _object(data, what)
    rootfs = document.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if diff_ids is None:
        diff_ids = []
    if not isinstance(diff_ids, list) or not all(isinstance(item, str) and is_digest(item) for item in diff_ids):
        raise ManifestError(f"{what}: rootfs.diff_ids is not a list of digests")
    return RootFs(tuple(diff_ids), _platform(document))


def candidates(index: Index, host: Platform, digest: str) -> tuple[Descriptor, ...]:
    """Return the members of the index that run on ``host``, best first; those that name no platform come last.

    Raises :class:`NoPlatformError`, which lists what there is.
    """
    ranked: list[tuple[int, int, Descriptor]] = []
    for number, member in enumerate(index.manifests):
        place = rank(member.platform, host) if member.platform else 1000
        if place is not None:
            ranked.append((place, number, member))
    if not ranked:
        there = ", ".join(sorted({str(member.platform) for member in index.manifests})) or "nothing"
        raise NoPlatformError(f"index {digest} has no image for {host}; it has {there}")
    return tuple(member for _, _, member in sorted(ranked, key=lambda item: item[:2]))


def _object(data: bytes, what: str) -> dict[str, Any]:
    if len(data) > LARGEST_DOCUMENT:
        raise ManifestError(f"{what} has {len(data)} bytes, more than the {LARGEST_DOCUMENT} that are allowed")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{what} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ManifestError(f"{what} is not a JSON object")
    return document


def _list(document: dict[str, Any], key: str, what: str) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list):
        raise ManifestError(f"{what}: {key} is not a list")
    return value


def _descriptor(item: Any, what: str) -> Descriptor:
    if not isinstance(item, dict):
        raise ManifestError(f"{what}: a descriptor is missing or no object")
    media_type, digest, size = item.get("mediaType"), item.get("digest"), item.get("size")
    if not isinstance(media_type, str) or not media_type:
        raise ManifestError(f"{what}: a descriptor has no mediaType")
    if not isinstance(digest, str) or not is_digest(digest):
        raise ManifestError(f"{what}: descriptor digest {digest!r} is not a digest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestError(f"{what}: descriptor size {size!r} of {digest} is not a number of bytes")
    platform = item.get("platform")
    return Descriptor(media_type, digest, size, _platform(platform) if isinstance(platform, dict) else None)


def _platform(document: dict[str, Any]) -> Platform | None:
    os, architecture, variant = document.get("os"), document.get("architecture"), document.get("variant", "")
    if not isinstance(os, str) or not isinstance(architecture, str) or not os or not architecture:
        return None
    return Platform(os, architecture, variant if isinstance(variant, str) else "")
