"""Images that are there already, as a pull leaves them: blobs, record, chain of snapshots, labels between them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.api.containerd.types import types_pb2
from containerd_client.distribution.values.chain import chain_ids
from tests.fakes.containerd.diff import unpack
from tests.fakes.containerd.state import Blob, Snapshot, now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.fakes.containerd.backend import Backend

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANAGED = {"io.cri-containerd.image": "managed"}
"""The label by which CRI implementations mark the records that they know."""


def add_image(
    backend: Backend,
    reference: str,
    *,
    config: Mapping[str, Any],
    layers: Sequence[Mapping[str, bytes]],
    labels: Mapping[str, str],
    snapshotter: str,
    namespace: str,
) -> images_pb2.Image:
    """Store an image of ``layers``, files by path, with ``config`` as the ``config`` of its configuration.

    It gets a record under ``reference`` and one under its id, both with ``labels`` and the mark of CRI images, a
    committed snapshot for each layer, and the labels by which the garbage collector finds one from the other. No event
    is published: the image is there before anyone looks.
    """
    space = backend.state.writable(namespace)
    tars = [_tar(layer) for layer in layers]
    diff_ids = [_digest(tar) for tar in tars]
    chains = chain_ids(diff_ids)
    blobs = [gzip.compress(tar, mtime=0) for tar in tars]
    for blob, diff_id in zip(blobs, diff_ids, strict=True):
        _put(backend, namespace, blob, {"containerd.io/uncompressed": diff_id})
    document = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    config_blob = json.dumps(document).encode()
    _put(backend, namespace, config_blob, {f"containerd.io/gc.ref.snapshot.{snapshotter}": chains[-1]})
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _described(CONFIG, config_blob),
            "layers": [_described(LAYER, blob) for blob in blobs],
        }
    ).encode()
    references = {f"containerd.io/gc.ref.content.l.{number}": _digest(blob) for number, blob in enumerate(blobs)}
    _put(backend, namespace, manifest, {"containerd.io/gc.ref.content.config": _digest(config_blob), **references})
    _unpack(backend, namespace, snapshotter, tars, chains)
    target = types_pb2.Descriptor(media_type=MANIFEST, digest=_digest(manifest), size=len(manifest))
    for name in (_digest(config_blob), reference):
        space.images[name] = images_pb2.Image(
            name=name, target=target, labels={**MANAGED, **labels}, created_at=now(), updated_at=now()
        )
    return space.images[reference]


def _unpack(backend: Backend, namespace: str, snapshotter: str, tars: Sequence[bytes], chains: Sequence[str]) -> None:
    snapshots = backend.state.writable(namespace).snapshots.setdefault(snapshotter, {})
    parent = ""
    for tar, chain in zip(tars, chains, strict=True):
        if chain not in snapshots:
            number = backend.state.new_snapshot()
            directory = backend.snapshots_directory(snapshotter) / str(number) / "fs"
            directory.mkdir(parents=True)
            unpack(tar, directory)
            snapshots[chain] = Snapshot(
                number,
                snapshots_pb2.COMMITTED,
                parent,
                {"containerd.io/snapshot.ref": chain},
                usage=(len(tar), 1 + len(list(directory.rglob("*")))),
            )
        parent = chain


def _put(backend: Backend, namespace: str, data: bytes, labels: Mapping[str, str]) -> None:
    digest = _digest(data)
    backend.state.bytes_of[digest] = data
    backend.state.writable(namespace).content[digest] = Blob(len(data), dict(labels))


def _described(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
