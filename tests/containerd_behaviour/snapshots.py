"""Snapshots and diffs of a real overlayfs snapshotter."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import tarfile

import pytest

from containerd_client import AlreadyExists, FailedPrecondition, NotFound, Unimplemented
from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.api.containerd.types import types_pb2


def layer(name: str, content: bytes) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0), f"sha256:{hashlib.sha256(buffer.getvalue()).hexdigest()}"


async def test_prepare_commit_view_remove(client):
    """One snapshot's life; what is on top of another one keeps it."""
    snapshots = client.snapshots("overlayfs")
    mounts = await snapshots.prepare("work", labels={"containerd.io/gc.root": "now"})
    assert len(mounts) == 1
    assert list(await snapshots.mounts("work")) == mounts
    with pytest.raises(AlreadyExists):
        await snapshots.prepare("work")
    await snapshots.commit("base", "work", {"containerd.io/gc.root": "now"})
    with pytest.raises(NotFound):
        await snapshots.stat("work")
    assert (await snapshots.stat("base")).kind == snapshots_pb2.COMMITTED
    await snapshots.view("look", "base", {"containerd.io/gc.root": "now"})
    await snapshots.prepare("child", "base", {"containerd.io/gc.root": "now"})
    assert (await snapshots.stat("child")).parent == "base"
    size, inodes = await snapshots.usage("child")
    assert size >= 0
    assert inodes >= 1
    info = snapshots_pb2.Info(name="child", labels={"a": "b"})
    assert (await snapshots.update(info, "labels.a")).labels["a"] == "b"
    assert {info.name for info in await snapshots.list()} == {"base", "look", "child"}
    with pytest.raises(FailedPrecondition):
        await snapshots.remove("base")
    for key in ("look", "child", "base"):
        await snapshots.remove(key)
    assert await snapshots.list() == []
    with contextlib.suppress(Unimplemented):  # by 1.6
        await snapshots.cleanup()


async def test_checks_recognise_their_own(client):
    """What Prepare, View and Commit look for after a lost answer is what containerd keeps."""
    snapshots, service = client.snapshots("overlayfs"), client._snapshots
    prepare = snapshots_pb2.PrepareSnapshotRequest(snapshotter="overlayfs", key="k")
    commit = snapshots_pb2.CommitSnapshotRequest(snapshotter="overlayfs", key="k", name="n")
    assert await service._check_prepared(prepare) is None
    mounts = await snapshots.prepare("k", labels={"containerd.io/gc.root": "now"})
    assert list((await service._check_prepared(prepare)).mounts) == mounts
    assert await service._check_committed(commit) is None
    await snapshots.commit("n", "k", {"containerd.io/gc.root": "now"})
    assert await service._check_committed(commit) is not None
    view = snapshots_pb2.ViewSnapshotRequest(snapshotter="overlayfs", key="v", parent="n")
    assert await service._check_viewed(view) is None
    await snapshots.view("v", "n", {"containerd.io/gc.root": "now"})
    assert await service._check_viewed(view) is not None


async def test_apply_and_diff(client):
    """A layer goes onto a snapshot under its own diff id, and comes out of it again as a blob."""
    snapshots = client.snapshots("overlayfs")
    blob, diff_id = layer("hello", b"world")
    digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
    await client.content.write_blob("l", blob, digest, {"containerd.io/gc.root": "now"})
    lower = await snapshots.view("empty", labels={"containerd.io/gc.root": "now"})
    upper = await snapshots.prepare("upper", labels={"containerd.io/gc.root": "now"})
    descriptor = types_pb2.Descriptor(
        media_type="application/vnd.oci.image.layer.v1.tar+gzip", digest=digest, size=len(blob)
    )
    assert (await client.diff.apply(descriptor, upper)).digest == diff_id
    root = {"containerd.io/gc.root": "now"}
    made = await client.diff.diff(lower, upper, media_type=descriptor.media_type, ref="d", labels=root)
    tar = gzip.decompress(await client.content.read_all(made.digest, 1 << 20))
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        extracted = archive.extractfile("hello")
        assert extracted is not None
        assert extracted.read() == b"world"
