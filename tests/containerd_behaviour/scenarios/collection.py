"""Garbage: how far a lease holds on to things, and after which calls the collector comes by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.services.content.v1 import content_pb2
from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from tests.containerd_behaviour.scenarios.things import FIRST, ROOT, SECOND, descriptor, digest_of, record

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.containerd_behaviour.transcript import Transcript

    Call = Callable[[], Awaitable[object]]

FLAT = "containerd.io/gc.flat"
SNAPSHOT = "containerd.io/gc.ref.snapshot.overlayfs"
CONTENT = "containerd.io/gc.ref.content"
SOON = 15.0
"""Seconds that a collection may take on a busy machine."""
NEVER = 0.15
"""Seconds after which one that has not begun is not going to; seen to hold for 2 s with each line of versions."""


async def play(transcript: Transcript) -> None:
    """Hold things by leases of both kinds; then make garbage before each call that may bring the collector."""
    await _held(transcript, "deep", {})
    await _held(transcript, "flat", {FLAT: "2020-01-01T00:00:00Z"})
    await _changes(transcript)
    await _removals(transcript)


async def _held(transcript: Transcript, name: str, labels: Mapping[str, str]) -> None:
    """Have a lease hold the first of a chain of blobs and the last of a chain of snapshots."""
    client = transcript.client
    snapshots = client.snapshots("overlayfs")
    digests = {key: digest_of(f"{name}-{key}".encode()) for key in ("one", "two", "three", "of-snapshot")}
    leads = {"one": {CONTENT: digests["two"]}, "two": {f"{CONTENT}.x": digests["three"]}}
    async with client.leases.hold():
        for key, digest in digests.items():
            await client.content.write_blob(f"{name}-{key}", f"{name}-{key}".encode(), digest, leads.get(key))
        for key in ("base", "pointed"):
            await snapshots.prepare(f"{key}-active")
            await snapshots.commit(key, f"{key}-active")
        await snapshots.prepare("top", "base", {SNAPSHOT: "pointed", CONTENT: digests["of-snapshot"]})
        await snapshots.prepare("loose", "base")
        lease = await client.leases.create(name, labels)
        await client.leases.add_resource(lease.id, digests["one"], "content")
        await client.leases.add_resource(lease.id, "top", "snapshots/overlayfs")
    await _collect(transcript)
    left = {info.digest for info in await client.content.walk()}
    transcript.note(f"held by a {name} lease:")
    transcript.note(f"  snapshots {[info.name for info in await snapshots.list()]}")
    transcript.note(f"  blobs {sorted(key for key, digest in digests.items() if digest in left)}")
    await client.leases.delete(name, sync=True)


async def _changes(transcript: Transcript) -> None:
    """What removes nothing."""
    client = transcript.client
    snapshots = client.snapshots("overlayfs")
    await snapshots.prepare("s", labels=ROOT)
    await client.containers.create(record("c", labels={"a": "b"}))
    await client.images.create(images_pb2.Image(name="i", target=descriptor(FIRST)))
    kept = digest_of(b"kept")
    await client.content.write_blob("kept", b"kept", kept, ROOT)
    async with client.content.writer("ingest") as writer:
        await writer.write(b"half")
    await _collect(transcript)
    calls: dict[str, Call] = {
        "nothing": lambda: asyncio.sleep(0),
        "a label of a container": lambda: client.containers.update(containers_pb2.Container(id="c"), "labels.a"),
        "the target of an image": lambda: client.images.update(
            images_pb2.Image(name="i", target=descriptor(SECOND)), "target"
        ),
        "a label of a snapshot": lambda: snapshots.update(snapshots_pb2.Info(name="s", labels={"l": "1"}), "labels.l"),
        "a label of a blob": lambda: client.content.update(
            content_pb2.Info(digest=kept, labels={"l": "1"}), "labels.l"
        ),
        "a commit": lambda: snapshots.commit("s-committed", "s", ROOT),
        "a lease": lambda: client.leases.create("made"),
    }
    for what, call in calls.items():
        await _garbage_and(transcript, what, call, NEVER)


async def _removals(transcript: Transcript) -> None:
    client = transcript.client
    await client.leases.add_resource("made", "r", "ingests")
    calls: dict[str, Call] = {
        "without a snapshot": lambda: client.snapshots("overlayfs").remove("s-committed"),
        "without a container": lambda: client.containers.delete("c"),
        "without an image": lambda: client.images.delete("i"),
        "without a blob": lambda: client.content.delete(digest_of(b"kept")),
        "without a lease's resource": lambda: client.leases.delete_resource("made", "r", "ingests"),
        "without a lease": lambda: client.leases.delete("made"),
    }
    for what, call in calls.items():
        await _garbage_and(transcript, what, call, SOON)


async def _garbage_and(transcript: Transcript, what: str, call: Call, seconds: float) -> None:
    content = transcript.client.content
    data = f"garbage {what}".encode()
    await content.write_blob(what.replace(" ", "-"), data, digest_of(data))
    await call()
    try:
        async with asyncio.timeout(seconds):
            while digest_of(data) in {info.digest for info in await content.walk()}:
                await asyncio.sleep(0.02)
    except TimeoutError:
        transcript.note(f"{what}: garbage stays")
    else:
        transcript.note(f"{what}: garbage is collected")


async def _collect(transcript: Transcript) -> None:
    """Have the collector run, which it does before the answer to a synchronous delete."""
    await transcript.client.leases.create("collect")
    await transcript.client.leases.delete("collect", sync=True)
