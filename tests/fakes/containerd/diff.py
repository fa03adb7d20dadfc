"""containerd.services.diff.v1 of the fake: layers onto the directories of snapshots, and out of them.

Only files, directories and symbolic links are unpacked, without owners, so that no root is needed.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.diff.v1 import diff_pb2 as pb
from containerd_client.api.containerd.types import types_pb2
from tests.fakes.containerd.refusals import not_found, unknown
from tests.fakes.containerd.state import Blob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call

TAR = "application/vnd.oci.image.layer.v1.tar"


class Diff:
    """Apply and Diff, for layers that are plain or packed with gzip."""

    descriptor = pb.DESCRIPTOR.services_by_name["Diff"]

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def apply(self, request: pb.ApplyRequest, call: Call) -> pb.ApplyResponse:
        """Unpack a blob; the answer describes the uncompressed layer."""
        if request.diff.digest not in self._backend.state[call.required_namespace()].content:
            raise not_found(f"failed to get reader from content store: content digest {request.diff.digest}")
        data = self._backend.state.bytes_of[request.diff.digest]
        try:
            tar = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            unpack(tar, _top(request.mounts))
        except (OSError, EOFError, tarfile.TarError) as error:
            raise unknown(f"failed to extract layer {request.diff.digest}: {error}") from error
        digest = f"sha256:{hashlib.sha256(tar).hexdigest()}"
        return pb.ApplyResponse(applied=types_pb2.Descriptor(media_type=TAR, digest=digest, size=len(tar)))

    async def diff(self, request: pb.DiffRequest, call: Call) -> pb.DiffResponse:
        """Pack what the right one's own directory holds."""
        space = self._backend.state.writable(call.required_namespace())
        tar = pack(_top(request.right))
        packed = request.media_type.endswith("gzip") or not request.media_type
        data = gzip.compress(tar, mtime=0) if packed else tar
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        labels = {**request.labels, "containerd.io/uncompressed": f"sha256:{hashlib.sha256(tar).hexdigest()}"}
        self._backend.state.bytes_of[digest] = data
        space.content[digest] = Blob(len(data), labels)
        if call.lease in space.leases:
            space.leases[call.lease].add("content", digest)
        media_type = request.media_type or f"{TAR}+gzip"
        return pb.DiffResponse(diff=types_pb2.Descriptor(media_type=media_type, digest=digest, size=len(data)))


def unpack(tar: bytes, directory: Path) -> None:
    """Put the files of a layer below a directory."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            target = directory / os.path.normpath(f"/{member.name}").lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member) if member.isfile() else None
            if member.isdir():
                target.mkdir(exist_ok=True)
            elif member.issym():
                target.symlink_to(member.linkname)
            elif content is not None:
                target.write_bytes(content.read())
                target.chmod(member.mode & 0o777)


def pack(directory: Path) -> bytes:
    """Return a layer of what is below a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(directory.rglob("*")):
            archive.add(path, str(path.relative_to(directory)), recursive=False)
    return buffer.getvalue()


def _top(mounts: Sequence[types_pb2.Mount]) -> Path:
    """Return the directory that writes go to: the source of a bind, the upper directory of an overlay."""
    mount = mounts[0]
    for option in mount.options:
        if option.startswith("upperdir="):
            return Path(option.removeprefix("upperdir="))
    return Path(mount.source)
