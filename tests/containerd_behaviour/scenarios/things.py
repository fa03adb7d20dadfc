"""Small things that scenarios make."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zlib
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.types import types_pb2

SPEC = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
PROCESS = "types.containerd.io/opencontainers/runtime-spec/1/Process"
RESOURCES = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"
ROOT = {"containerd.io/gc.root": "now"}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
GZIP = 31
"""zlib's window bits for a gzip stream (zlib.h, deflateInit2)."""
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
FIRST, SECOND = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def packed(type_url: str, value: dict[str, Any]) -> AnyMessage:
    """Return a document as containerd's clients pack it."""
    return AnyMessage(type_url=type_url, value=json.dumps(value).encode())


def record(id_: str, **fields: Any) -> containers_pb2.Container:
    """Return the record of a container that has no process."""
    runtime = containers_pb2.Container.Runtime(name="io.containerd.runc.v2")
    return containers_pb2.Container(
        **{"id": id_, "runtime": runtime, "spec": AnyMessage(type_url="x", value=b"{}"), **fields}
    )


def descriptor(digest: str, size: int = 1, media_type: str = MANIFEST) -> types_pb2.Descriptor:
    """Return a descriptor."""
    return types_pb2.Descriptor(media_type=media_type, digest=digest, size=size)


def digest_of(data: bytes) -> str:
    """Return the digest of a blob."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer(name: str, content: bytes) -> tuple[bytes, str]:
    """Return a layer with one file, and its diff id."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    # By zlib itself, because the header of the gzip module differs between versions of Python, and with it the digest.
    return zlib.compress(buffer.getvalue(), 9, GZIP), digest_of(buffer.getvalue())
