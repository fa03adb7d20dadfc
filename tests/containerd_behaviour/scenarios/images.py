"""Image records: made, retargeted, filtered, refused, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.images.v1 import images_pb2 as pb
from tests.containerd_behaviour.scenarios.things import FIRST, SECOND, descriptor

if TYPE_CHECKING:
    from tests.containerd_behaviour.transcript import Transcript

NAME = "example.com/a:1"


async def play(transcript: Transcript) -> None:
    """Go through the life of a record."""
    step, images = transcript.step, transcript.client.images
    await step("get a missing one", images.get(NAME))
    await step("update a missing one", images.update(pb.Image(name=NAME, labels={"a": "b"}), "labels.a"))
    await step("delete a missing one", images.delete(NAME))
    await step("create without a name", images.create(pb.Image(target=descriptor(FIRST))))
    await step("create without a target", images.create(pb.Image(name=NAME, target=descriptor(""))))
    await step("create with a short digest", images.create(pb.Image(name=NAME, target=descriptor("sha256:short"))))
    await step("create with a word for a digest", images.create(pb.Image(name=NAME, target=descriptor("word"))))
    await step("create of another algorithm", images.create(pb.Image(name=NAME, target=descriptor("md5:1234"))))
    await step("create without a size", images.create(pb.Image(name=NAME, target=descriptor(FIRST, 0))))
    untyped = descriptor(FIRST, media_type="")
    await step("create without a media type", images.create(pb.Image(name=NAME, target=untyped)))
    wanted = pb.Image(name=NAME, target=descriptor(FIRST), labels={"k": "v", "empty": ""})
    await step("create", images.create(wanted))
    await step("create again", images.create(wanted))
    await step("create another", images.create(pb.Image(name="b", target=descriptor(SECOND))))
    await step("set the target", images.update(pb.Image(name=NAME, target=descriptor(SECOND)), "target"))
    await step("set a label", images.update(pb.Image(name=NAME, labels={"more": "1"}), "labels.more"))
    await step("remove a label", images.update(pb.Image(name=NAME), "labels.k"))
    await step("set the name", images.update(pb.Image(name=NAME), "name"))
    await step("set everything", images.update(pb.Image(name=NAME, target=descriptor(FIRST), labels={"all": "new"})))
    await transcript.events()
    for text in ("", f"name=={NAME}", f"target.digest=={SECOND}", "labels.all==new", "target.mediatype", "name=x"):
        await step(f"list {text}", _names(transcript, text))
    await step("delete", images.delete(NAME))
    await step("delete again", images.delete(NAME, sync=True))
    await step("delete the other at once", images.delete("b", sync=True))
    await transcript.events()


async def _names(transcript: Transcript, text: str) -> list[str]:
    return [image.name for image in await transcript.client.images.list(text)]
