"""Blobs and ingests: written, resumed, refused, labelled, filtered, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client import call_options
from containerd_client.api.containerd.services.content.v1 import content_pb2 as pb
from tests.containerd_behaviour.scenarios.things import FIRST, ROOT, digest_of

if TYPE_CHECKING:
    from tests.containerd_behaviour.transcript import Transcript

DATA = b"some data of a scenario"


async def play(transcript: Transcript) -> None:
    """Go through the life of a blob."""
    step, content = transcript.step, transcript.client.content
    digest = digest_of(DATA)
    await step("info of a missing one", content.info(FIRST))
    await step("info of a short digest", content.info("sha256:short"))
    await step("update a missing one", content.update(pb.Info(digest=FIRST, labels={"a": "b"}), "labels.a"))
    await step("delete a missing one", content.delete(FIRST))
    await step("delete a word", content.delete("word"))
    await step("status of a missing ingest", content.status("r"))
    await step("abort a missing ingest", content.abort("r"))
    await step("read a missing one", _read(transcript, FIRST, 0))
    await step("read a word", _read(transcript, "word", 0))
    await step("write without a ref", _write(transcript, "", DATA, digest))
    await step("write half", _write(transcript, "r", DATA[:10], digest, commit=False))
    await step("status", content.status("r"))
    await step("statuses", content.list_statuses())
    await step("statuses of a ref", content.list_statuses("ref==r"))
    await step("statuses of another ref", content.list_statuses("ref==s"))
    await step("commit too little", _write(transcript, "r", DATA[10:12], digest))
    await step("write another, and hold it", _held_twice(transcript))
    await step("commit a wrong digest", _write(transcript, "w", b"wrong", digest))
    await step("abort", content.abort("held"))
    for status in await content.list_statuses():
        await content.abort(status.ref)
    await step("write", _write(transcript, "r2", DATA, digest))
    await step("write again under its digest", _write(transcript, "r3", DATA, digest))
    await step("write again without a digest", _write(transcript, "r4", DATA, ""))
    await transcript.events()
    await step("info", content.info(digest))
    await step("set a label", content.update(pb.Info(digest=digest, labels={"a": "1"}), "labels.a"))
    await step("remove a label", content.update(pb.Info(digest=digest), "labels.a"))
    await step("set the size", content.update(pb.Info(digest=digest), "size"))
    await step("set all labels", content.update(pb.Info(digest=digest, labels={**ROOT, "b": "2"}), "labels"))
    for text in ("", f"digest=={digest}", "labels.b==2", "labels.b==3", "size", "digest=x"):
        await step(f"list {text}".replace(digest, "DIGEST"), content.walk(text))
    await step("read", _read(transcript, digest, 0))
    await step("read from an offset", _read(transcript, digest, 10))
    await step("read from the end", _read(transcript, digest, len(DATA)))
    await step("read beyond the end", _read(transcript, digest, len(DATA) + 1))
    with call_options(namespace=f"{transcript.client.namespace}-2"):
        await step("info in another namespace", content.info(digest))
        await step("write what another namespace has", _write(transcript, "x", b"", digest))
        await step("delete it there", content.delete(digest))
    await step("delete", content.delete(digest))
    await step("delete again", content.delete(digest))
    await transcript.events()


async def _read(transcript: Transcript, digest: str, offset: int) -> bytes:
    return b"".join([piece async for piece in transcript.client.content.read(digest, offset=offset)])


async def _write(transcript: Transcript, ref: str, data: bytes, digest: str, *, commit: bool = True) -> list[object]:
    async with transcript.client.content.writer(ref, size=len(DATA), expected=digest) as writer:
        opened = writer.offset
        await writer.write(data)
        if commit:
            await writer.commit(len(DATA), digest, ROOT)
        return [opened, writer.offset, writer.exists, writer.digest]


async def _held_twice(transcript: Transcript) -> None:
    async with transcript.client.content.writer("held") as writer:
        await writer.write(b"x")
        async with transcript.client.content.writer("held"):
            pass
