"""Load images from a tar archive into the content store, in one pass and without a copy on disk.

Two layouts are supported: OCI's (``index.json`` and ``blobs/ALGORITHM/HEX``; OCI image spec, ``image-layout.md``) and
that of ``docker save`` (``manifest.json``, configurations and layers under names of its own). Newer archives have both
at once. File names in the archive are never used as paths, because nothing is extracted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import lzma
import os
import posixpath
import tarfile
import zlib
from typing import TYPE_CHECKING

from msgspec import Struct, field

from containerd_client.distribution.values.errors import CorruptBlobError, InvalidReferenceError, ManifestError
from containerd_client.distribution.values.manifest import LARGEST_DOCUMENT, Descriptor, parse_descriptor
from containerd_client.distribution.values.media_types import DOCKER_CONFIG, DOCKER_MANIFEST, ingest_ref
from containerd_client.distribution.values.reference import is_digest, parse_reference
from containerd_client.errors import ContainerdError, FailedPrecondition, NotFound
from untrusted import DocumentError, escaped, parse_object, parse_objects

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import IO

    from containerd_client import Containerd
    from containerd_client.distribution.values.reference import Reference

CHUNK = 1 << 20
MOST_DOCUMENTS = 10_000
CONTAINERD_NAME = "io.containerd.image.name"
OCI_NAME = "org.opencontainers.image.ref.name"
_DAMAGE = (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, zlib.error, lzma.LZMAError)
"""What tarfile and its decompressors raise for a damaged archive or another kind of file."""
_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Archived(Struct, frozen=True):
    """One image of an archive, after it was stored; ``names`` may be empty."""

    target: Descriptor
    names: tuple[Reference, ...]


class _DockerEntry(Struct, frozen=True):
    """One image of ``docker save``, by the names of its files in the archive."""

    config: str
    tags: tuple[str, ...]
    layers: tuple[str, ...]


class _Contents(Struct):
    """What one pass over the archive found, by the archive's file names."""

    documents: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, Descriptor] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def blob(self, name: str) -> Descriptor:
        for _ in range(8):
            if name in self.blobs:
                return self.blobs[name]
            name = self.links.get(name, name)
        raise ManifestError(f"the archive names '{escaped(name)}' but does not hold it")


async def read_archive(client: Containerd, file: IO[bytes]) -> tuple[Archived, ...]:
    """Store every blob of the archive and return its images.

    The caller must be inside ``call_options(lease=…)``, whose lease then holds the blobs. Raises :class:`ManifestError`
    if the file is not an archive of images, :class:`CorruptBlobError` for wrong bytes, and ContainerdErrors.
    """
    contents = _Contents()
    try:
        with await asyncio.to_thread(tarfile.open, fileobj=file, mode="r|*") as archive:
            while (entry := await asyncio.to_thread(archive.next)) is not None:
                await _take(client, archive, entry, contents)
    except _DAMAGE as error:
        raise ManifestError(f"the archive cannot be read: {escaped(str(error))}") from error
    images = _oci_images(contents) if "index.json" in contents.documents else []
    if not images and "manifest.json" in contents.documents:
        images = [await _docker_image(client, contents, entry) for entry in _docker_entries(contents)]
    if not images:
        raise ManifestError("the archive holds neither an index.json nor a manifest.json with images")
    return tuple(images)


async def _take(client: Containerd, archive: tarfile.TarFile, entry: tarfile.TarInfo, contents: _Contents) -> None:
    name = posixpath.normpath(entry.name)
    if entry.issym() or entry.islnk():
        target = entry.linkname if entry.islnk() else posixpath.join(posixpath.dirname(name), entry.linkname)
        contents.links[name] = posixpath.normpath(target)
        return
    data = archive.extractfile(entry) if entry.isreg() else None
    if data is None:
        return
    if name.endswith(".json"):
        if entry.size > LARGEST_DOCUMENT or len(contents.documents) >= MOST_DOCUMENTS:
            raise ManifestError(f"the archive's '{escaped(name)}' is too large, or one of too many, for an image")
        contents.documents[name] = await asyncio.to_thread(data.read)
        return
    parts = name.split("/")
    digest = ":".join(parts[1:]) if parts[0] == "blobs" and len(parts) == 3 else ""
    if digest and not is_digest(digest):
        raise ManifestError(f"the archive's '{escaped(name)}' is not named after a digest")
    if digest or name.endswith((".tar", ".tar.gz")):
        contents.blobs[name] = await _store(client, data, entry.size, digest, name)


async def _store(client: Containerd, data: IO[bytes], size: int, digest: str, name: str) -> Descriptor:
    """Write one file to the content store; without a known digest, under the digest of its bytes."""
    ref = ingest_ref("", digest) if digest else f"load-{hashlib.sha256(os.fsencode(name)).hexdigest()}"
    hashed = hashlib.sha256()
    head = b""
    stored = False
    try:
        async with client.content.writer(ref, size=size, expected=digest) as writer:
            await writer.truncate()
            while not writer.exists and (chunk := await asyncio.to_thread(data.read, CHUNK)):
                head = head or chunk[:4]
                if not digest:
                    await asyncio.to_thread(hashed.update, chunk)
                await writer.write(chunk)
            digest = digest or f"sha256:{hashed.hexdigest()}"
            await writer.commit(size, digest)
        stored = True
    except FailedPrecondition as error:
        raise CorruptBlobError(f"the archive's '{escaped(name)}' is not what its name says: {error.detail}") from error
    finally:
        if not stored:
            await _abort(client, ref)
    return Descriptor(_layer_type(head), digest, size)


async def _abort(client: Containerd, ref: str) -> None:
    try:
        await client.content.abort(ref)
    except ContainerdError:
        return  # it goes away with the lease


def _layer_type(head: bytes) -> str:
    if head.startswith(_GZIP):
        return f"{_LAYER}.gzip"
    return f"{_LAYER}.zstd" if head.startswith(_ZSTD) else _LAYER


def _oci_images(contents: _Contents) -> list[Archived]:
    try:
        index = parse_object(contents.documents["index.json"], limit=LARGEST_DOCUMENT, stream=True)
        entries = [(parse_descriptor(item, "the archive's index.json"), item) for item in index.objects("manifests")]
        annotated = [(target, item.text_map("annotations")) for target, item in entries]
    except DocumentError as error:
        raise ManifestError(f"the archive's index.json: {error}") from error
    tags = _docker_tags(contents)
    images = []
    for target, notes in annotated:
        name = notes.get(CONTAINERD_NAME) or notes.get(OCI_NAME, "")
        # OCI's annotation may hold a bare tag, which is not an image name by itself.
        named = [name] if notes.get(CONTAINERD_NAME) or set("/:") & set(name) else []
        images.append(Archived(target, _references([*named, *(tags if len(annotated) == 1 else [])])))
    return images


def _docker_entries(contents: _Contents) -> list[_DockerEntry]:
    """Read the list of images that ``docker save`` wrote (moby ``image/tarexport``)."""
    try:
        return [
            _DockerEntry(item.text("Config"), item.texts("RepoTags"), item.texts("Layers"))
            for item in parse_objects(contents.documents["manifest.json"], limit=LARGEST_DOCUMENT, stream=True)
        ]
    except DocumentError as error:
        raise ManifestError(f"the archive's manifest.json: {error}") from error


def _docker_tags(contents: _Contents) -> list[str]:
    if "manifest.json" not in contents.documents:
        return []
    return [tag for entry in _docker_entries(contents) for tag in entry.tags]


async def _docker_image(client: Containerd, contents: _Contents, entry: _DockerEntry) -> Archived:
    """Make a manifest for an image that never had one: schema 2, as Docker would push it."""
    if not entry.config:
        raise ManifestError("the archive's manifest.json lists an image without Config")
    config_name = posixpath.normpath(entry.config)
    if config_name in contents.documents:
        data = contents.documents[config_name]
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        config = Descriptor(DOCKER_CONFIG, digest, len(data))
        await client.content.write_blob(ingest_ref(DOCKER_CONFIG, digest), data, digest)
    else:
        blob = contents.blob(config_name)
        config = Descriptor(DOCKER_CONFIG, blob.digest, blob.size)
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": _json(config),
        "layers": [_json(contents.blob(posixpath.normpath(layer))) for layer in entry.layers],
    }
    manifest = json.dumps(document, separators=(",", ":")).encode()
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    await client.content.write_blob(ingest_ref(DOCKER_MANIFEST, digest), manifest, digest)
    return Archived(Descriptor(DOCKER_MANIFEST, digest, len(manifest)), _references(entry.tags))


def _json(blob: Descriptor) -> dict[str, object]:
    return {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}


def _references(names: Iterable[str]) -> tuple[Reference, ...]:
    references = []
    for name in names:
        try:
            references.append(parse_reference(name))
        except InvalidReferenceError as error:
            raise ManifestError(f"the archive names an image '{escaped(name)}': {escaped(str(error))}") from error
    return tuple(dict.fromkeys(references))


async def label(client: Containerd, digest: str, labels: dict[str, str]) -> None:
    """Set labels of a blob; raises :class:`CorruptBlobError` if the archive did not contain it."""
    try:
        info = await client.content.info(digest)
        info.labels.update(labels)
        await client.content.update(info, *(f"labels.{name}" for name in labels))
    except NotFound as error:
        raise CorruptBlobError(f"the archive does not hold {digest}") from error
