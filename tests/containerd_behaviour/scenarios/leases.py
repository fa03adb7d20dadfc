"""Leases: made, filled by calls under them, refused, dropped; and what is collected then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client import call_options
from containerd_client.api.containerd.services.images.v1 import images_pb2
from tests.containerd_behaviour.scenarios.things import FIRST, ROOT, descriptor, digest_of, record

if TYPE_CHECKING:
    from tests.containerd_behaviour.transcript import Transcript

EXPIRE = "containerd.io/gc.expire"
SNAPSHOT = "containerd.io/gc.ref.snapshot.overlayfs"
CONTENT = "containerd.io/gc.ref.content"


async def play(transcript: Transcript) -> None:
    """Hold things in every way there is, and let go of them."""
    step, client = transcript.step, transcript.client
    await step("list none", client.leases.list())
    await step("delete a missing one", client.leases.delete("l"))
    await step("resources of a missing one", client.leases.list_resources("l"))
    await step("add to a missing one", client.leases.add_resource("l", "r", "ingests"))
    await step("create", client.leases.create("l", {"a": "b", "empty": ""}))
    await step("create again", client.leases.create("l"))
    await step("add an unknown type", client.leases.add_resource("l", "r", "things"))
    await step("add a word as content", client.leases.add_resource("l", "word", "content"))
    await step("add a snapshot of nothing", client.leases.add_resource("l", "s", "snapshots"))
    await step("add content that is not there", client.leases.add_resource("l", FIRST, "content"))
    await step("add an ingest that is not there", client.leases.add_resource("l", "r", "ingests"))
    await step("add a snapshot that is not there", client.leases.add_resource("l", "s", "snapshots/overlayfs"))
    await step("resources", client.leases.list_resources("l"))
    await step("take out", client.leases.delete_resource("l", "r", "ingests"))
    await step("take out again", client.leases.delete_resource("l", "r", "ingests"))
    for text in ("", "id==l", "labels.a==b", "labels.a==c", "id=x"):
        await step(f"list {text}", client.leases.list(text))
    await step("delete", client.leases.delete("l", sync=True))
    with call_options(lease="none"):
        await step("prepare under a missing lease", client.snapshots("overlayfs").prepare("s"))
        await step("write under a missing lease", client.content.write_blob("r", b"x", digest_of(b"x")))
        await step("create a container under a missing lease", client.containers.create(record("unleased")))
    await transcript.events()
    await _under_a_lease(transcript)
    await _roots(transcript)


async def _under_a_lease(transcript: Transcript) -> None:
    step, client = transcript.step, transcript.client
    snapshots = client.snapshots("overlayfs")
    await client.leases.create("held")
    with call_options(lease="held"):
        await snapshots.prepare("active")
        await snapshots.prepare("other")
        await snapshots.commit("committed", "active")
        await snapshots.prepare("gone")
        await snapshots.remove("gone")
        await client.content.write_blob("blob", b"held", digest_of(b"held"))
        async with client.content.writer("ingest") as writer:
            await writer.write(b"half")
    await step("what calls under it put there", client.leases.list_resources("held"))
    await _collect(transcript)
    await transcript.events("/snapshot/remove")
    transcript.note("held things stay:")
    await _left(transcript)
    await client.leases.delete("held", sync=True)
    transcript.note("after the lease:")
    await _left(transcript)
    if transcript.version >= (2, 0):
        await transcript.events("/snapshot/remove", "/snapshot/remove")


async def _roots(transcript: Transcript) -> None:
    """One thing under each root, one that hangs on a thing, one that hangs on nothing."""
    client = transcript.client
    snapshots = client.snapshots("overlayfs")
    blobs = {name: name.encode() for name in ("root", "by-root", "by-image", "by-container", "loose")}
    digests = {name: digest_of(data) for name, data in blobs.items()}
    async with client.leases.hold():
        for key in ("by-label", "by-blob", "by-container", "loose", "rooted"):
            await snapshots.prepare(key, labels=ROOT if key == "rooted" else None)
        await snapshots.commit("parent", "by-label")
        await snapshots.prepare("child", "parent", ROOT)
        labels = {"root": {**ROOT, f"{CONTENT}.x": digests["by-root"], SNAPSHOT: "by-blob"}}
        for name, data in blobs.items():
            await client.content.write_blob(name, data, digests[name], labels.get(name))
        await client.images.create(images_pb2.Image(name="i", target=descriptor(digests["by-image"], 8)))
        await client.containers.create(
            record("c", snapshotter="overlayfs", snapshot_key="by-container", labels={CONTENT: digests["by-container"]})
        )
        await client.leases.create("expired", {EXPIRE: "2020-01-01T00:00:00Z"})
        await client.leases.create("odd", {EXPIRE: "some day"})
    await _collect(transcript)
    transcript.note("what roots hold stays:")
    await _left(transcript)
    await _note_blobs(transcript, digests)
    await client.containers.delete("c")
    await client.images.delete("i", sync=True)
    transcript.note("without the image and the container:")
    await _left(transcript)
    await _note_blobs(transcript, digests)
    await client.leases.delete("odd")
    await client.content.delete(digests["root"])
    await snapshots.remove("rooted")
    await snapshots.remove("child")
    await _collect(transcript)
    transcript.note("without roots:")
    await _left(transcript)


async def _note_blobs(transcript: Transcript, digests: dict[str, str]) -> None:
    left = {info.digest for info in await transcript.client.content.walk()}
    transcript.note(f"  blobs {sorted(name for name, digest in digests.items() if digest in left)}")


async def _left(transcript: Transcript) -> None:
    client = transcript.client
    transcript.note(f"  leases {[lease.id for lease in await client.leases.list() if lease.id != 'collect']}")
    transcript.note(f"  snapshots {[info.name for info in await client.snapshots('overlayfs').list()]}")
    transcript.note(f"  ingests {[status.ref for status in await client.content.list_statuses()]}")
    transcript.note(f"  number of blobs {len(await client.content.walk())}")


async def _collect(transcript: Transcript) -> None:
    """Have the collector run, which it does before the answer to a synchronous delete."""
    await transcript.client.leases.create("collect")
    await transcript.client.leases.delete("collect", sync=True)
