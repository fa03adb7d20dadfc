"""When things were made and last changed: which calls set these times, and which answers tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.services.content.v1 import content_pb2
from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from tests.containerd_behaviour.scenarios.things import FIRST, ROOT, descriptor, digest_of, record

if TYPE_CHECKING:
    from tests.containerd_behaviour.transcript import Transcript

LABELS = {"a": "b"}


async def play(transcript: Transcript) -> None:
    """Make one of each kind, and change it twice."""
    await _records(transcript)
    await _blob(transcript)
    await _snapshot(transcript)


async def _records(transcript: Transcript) -> None:
    client = transcript.client
    log = _Times(transcript, "container")
    # The creator sends times of its own.
    made = record("c", created_at=Timestamp(seconds=5), updated_at=Timestamp(seconds=6))
    log.note("create", await client.containers.create(made))
    log.note("get", await client.containers.get("c"))
    changed = containers_pb2.Container(id="c", labels=LABELS)
    log.note("set a label", await client.containers.update(changed, "labels.a"))
    log.note("get", await client.containers.get("c"))
    log.note("set the same label", await client.containers.update(changed, "labels.a"))
    log.note("list", (await client.containers.list())[0])
    log = _Times(transcript, "image")
    image = images_pb2.Image(
        name="i", target=descriptor(FIRST), created_at=Timestamp(seconds=5), updated_at=Timestamp(seconds=6)
    )
    log.note("create", await client.images.create(image))
    log.note("get", await client.images.get("i"))
    changed_image = images_pb2.Image(name="i", labels=LABELS)
    log.note("set a label", await client.images.update(changed_image, "labels.a"))
    log.note("get", await client.images.get("i"))
    log.note("set the same label", await client.images.update(changed_image, "labels.a"))
    log.note("list", (await client.images.list())[0])


async def _blob(transcript: Transcript) -> None:
    client = transcript.client
    digest = digest_of(b"blob")
    await client.content.write_blob("ref", b"blob", digest, ROOT)
    log = _Times(transcript, "blob")
    log.note("info", await client.content.info(digest))
    changed = content_pb2.Info(digest=digest, labels=LABELS)
    log.note("set a label", await client.content.update(changed, "labels.a"))
    log.note("info", await client.content.info(digest))
    log.note("set the same label", await client.content.update(changed, "labels.a"))
    log.note("info", await client.content.info(digest))


async def _snapshot(transcript: Transcript) -> None:
    snapshots = transcript.client.snapshots("overlayfs")
    log = _Times(transcript, "snapshot")
    await snapshots.prepare("s", labels=ROOT)
    log.note("prepare", await snapshots.stat("s"))
    log.note("again", await snapshots.stat("s"))
    changed = snapshots_pb2.Info(name="s", labels=LABELS)
    log.note("set a label", await snapshots.update(changed, "labels.a"))
    log.note("stat", await snapshots.stat("s"))
    await snapshots.commit("n", "s", ROOT)
    log.note("commit", await snapshots.stat("n"))
    log.note("list", (await snapshots.list())[0])


class _Times:
    """Says of each answer about one thing whether its times are those of the answer before."""

    def __init__(self, transcript: Transcript, what: str) -> None:
        self._transcript = transcript
        self._what = what
        self._before: tuple[int, int] | None = None

    def note(self, call: str, answer: Any) -> None:
        """Write down how the times of an answer compare with each other and with those before."""
        made, changed = answer.created_at.ToNanoseconds(), answer.updated_at.ToNanoseconds()
        words = [f"changed {_compared(changed, made)} making"]
        if self._before is not None:
            words += [
                f"{name} {_compared(now, before)} before"
                for name, now, before in zip(("made", "changed"), (made, changed), self._before, strict=True)
            ]
        self._transcript.note(f"{self._what}, {call}: {', '.join(words)}")
        self._before = (made, changed)


def _compared(one: int, other: int) -> str:
    return "after" if one > other else "as" if one == other else "earlier than"
