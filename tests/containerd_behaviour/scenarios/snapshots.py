"""Snapshots: prepared, mounted, committed, refused, filtered, removed; layers onto them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2 as pb
from tests.containerd_behaviour.scenarios.things import FIRST, LAYER, ROOT, descriptor, digest_of, layer

if TYPE_CHECKING:
    from tests.containerd_behaviour.transcript import Transcript


async def play(transcript: Transcript) -> None:
    """Build a chain and take it down."""
    step, snapshots = transcript.step, transcript.client.snapshots("overlayfs")
    await step("of a snapshotter that is not there", transcript.client.snapshots("none").stat("a"))
    await step("of no snapshotter", transcript.client.snapshots("").stat("a"))
    await step("stat a missing one", snapshots.stat("a"))
    await step("mounts of a missing one", snapshots.mounts("a"))
    await step("usage of a missing one", snapshots.usage("a"))
    await step("remove a missing one", snapshots.remove("a"))
    await step("update a missing one", snapshots.update(pb.Info(name="a", labels={"a": "b"}), "labels.a"))
    await step("prepare on a missing parent", snapshots.prepare("a", "none"))
    await step("prepare", snapshots.prepare("a", labels={**ROOT, "empty": ""}))
    await step("prepare again", snapshots.prepare("a"))
    await step("prepare on an active one", snapshots.prepare("b", "a"))
    await step("commit a missing one", snapshots.commit("n", "none"))
    await step("view", snapshots.view("v", labels=ROOT))
    await step("commit a view", snapshots.commit("n", "v"))
    await step("commit under the same name", snapshots.commit("a", "a"))
    await step("commit", snapshots.commit("base", "a", {**ROOT, "containerd.io/snapshot.ref": "base"}))
    await step("stat of the committed one", snapshots.stat("base"))
    await step("stat of what it was", snapshots.stat("a"))
    await step("mounts of the committed one", snapshots.mounts("base"))
    await step("prepare what is there already", snapshots.prepare("e", labels={"containerd.io/snapshot.ref": "base"}))
    await step("prepare on it", snapshots.prepare("b", "base", ROOT))
    await step("view on it", snapshots.view("w", "base", ROOT))
    await step("commit the second", snapshots.commit("top", "b", ROOT))
    await step("prepare on both", snapshots.prepare("c", "top", ROOT))
    await step("view on both", snapshots.view("x", "top", ROOT))
    await step("mounts of that again", snapshots.mounts("c"))
    await transcript.events()
    await step("set a label", snapshots.update(pb.Info(name="c", labels={"l": "1"}), "labels.l"))
    await step("set the parent", snapshots.update(pb.Info(name="c"), "parent"))
    await step("set nothing's label", snapshots.update(pb.Info(labels={"l": "1"}), "labels.l"))
    await step("usage of the committed one", _inodes(transcript, "base"))
    await step("usage of the active one", _inodes(transcript, "c"))
    await step("usage of a view", _inodes(transcript, "x"))
    for text in ("", "name==c", "parent==base", "kind==committed", "kind==view", "labels.l", "labels.l==1", "kind=x"):
        await step(f"list {text}", _names(transcript, text))
    await _layers(transcript)
    await step("remove one with children", snapshots.remove("base"))
    for name in ("c", "x", "w", "v", "top", "base"):
        await step(f"remove {name}", snapshots.remove(name))
    await step("list", snapshots.list())
    await transcript.events()
    await step("clean up", snapshots.cleanup())


async def _layers(transcript: Transcript) -> None:
    step, client = transcript.step, transcript.client
    snapshots = client.snapshots("overlayfs")
    blob, diff_id = layer("hello", b"world")
    digest = digest_of(blob)
    mounts = await snapshots.prepare("l", labels=ROOT)
    await step("apply a missing layer", client.diff.apply(descriptor(FIRST, 10, LAYER), mounts))
    await client.content.write_blob("l", blob, digest, ROOT)
    applied = await client.diff.apply(descriptor(digest, len(blob), LAYER), mounts)
    transcript.note(f"apply a layer: {applied.media_type} {applied.digest == diff_id}")
    await step("usage of what has a file", _inodes(transcript, "l"))
    await snapshots.remove("l")
    await client.content.delete(digest)


async def _inodes(transcript: Transcript, key: str) -> int:
    """Bytes depend on the file system, inodes do not."""
    return (await transcript.client.snapshots("overlayfs").usage(key))[1]


async def _names(transcript: Transcript, text: str) -> list[str]:
    return [info.name for info in await transcript.client.snapshots("overlayfs").list(text)]
