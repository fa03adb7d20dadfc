"""Records of containers: made, changed by field, filtered, refused, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client.api.containerd.services.containers.v1 import containers_pb2 as pb
from tests.containerd_behaviour.scenarios.things import record

if TYPE_CHECKING:
    from tests.containerd_behaviour.transcript import Transcript


async def play(transcript: Transcript) -> None:
    """Go through the life of two records."""
    step, containers = transcript.step, transcript.client.containers
    extension = AnyMessage(type_url="github.com/containerd/cri/x", value=b"1")
    await step("get a missing one", containers.get("c1"))
    await step("update a missing one", containers.update(pb.Container(id="c1"), "labels"))
    await step("delete a missing one", containers.delete("c1"))
    await step("create without an id", containers.create(record("")))
    await step("create with a bad id", containers.create(record("no/slash")))
    await step("create with a long id", containers.create(record("i" * 77)))
    await step("create without a runtime", containers.create(record("c1", runtime=None)))
    await step("create without a spec", containers.create(record("no-spec", spec=None)))
    changed = pb.Container(id="no-spec", labels={"a": "b"})
    await step("set a label of what may be without a spec", containers.update(changed, "labels.a"))
    if transcript.version >= (1, 7):
        await containers.delete("no-spec")
    await step("create with a key and no snapshotter", containers.create(record("c1", snapshot_key="k")))
    await step("create with a large label", containers.create(record("c1", labels={"a-long-key": "v" * 4096})))
    labels = {"kind": "sandbox", "io.cri-containerd.kind": "sandbox", "empty": ""}
    await step("create", containers.create(record("c1", image="i", labels=labels, extensions={"e": extension})))
    await step("create again", containers.create(record("c1")))
    await step("create another", containers.create(record("c2", labels={"kind": "container"})))
    await transcript.events()
    changed = pb.Container(id="c1", labels={"more": "1"}, image="other", extensions={"f": extension})
    await step("set a label", containers.update(changed, "labels.more"))
    await step("remove a label", containers.update(changed, "labels.kind"))
    await step("set an extension", containers.update(changed, "extensions.f"))
    await step("set the image", containers.update(changed, "image"))
    await step("set the id", containers.update(changed, "id"))
    await step("set the snapshotter", containers.update(changed, "snapshotter"))
    await step("set all labels", containers.update(changed, "labels"))
    await step("set everything, of another runtime", containers.update(pb.Container(id="c1")))
    await step("set everything", containers.update(record("c1", labels={"all": "new"})))
    await step("set nothing's field", containers.update(pb.Container(), "labels"))
    await transcript.events()
    for text in FILTERS:
        await step(f"list {text}", _ids(transcript, text))
    await step("list two filters", _ids(transcript, "id==c2", "labels.all"))
    await step("delete", containers.delete("c1"))
    await step("delete again", containers.delete("c1"))
    await step("get a deleted one", containers.get("c1"))
    await transcript.events()


FILTERS = (
    "",
    "id==c1",
    "id!=c1",
    'id~="^c[0-9]$"',
    "id~=/^c1$/",
    "labels.kind",
    "labels.kind==container",
    'labels."kind"==container',
    'labels."kind"=="container",id==c2',
    'labels."kind"==container,id==c1',
    "labels.all==new",
    "image==other",
    "image",
    "runtime.name==io.containerd.runc.v2",
    "nothing",
    "nothing==x",
    "nothing!=x",
    "id==",
    "id=c1",
    "id===c1",
    "id== c1",
    "id==c1,",
    "id==c1 ",
    "==c1",
    'labels."open==c1',
    "labels.|kind|==x",
    "id ==c1",
    "id==c1 c2",
    "id~=[",
)
"""What the daemon asks for, and what is wrong in every way that the parser tells."""


async def _ids(transcript: Transcript, *filters: str) -> list[str]:
    return [container.id for container in await transcript.client.containers.list(*filters)]
