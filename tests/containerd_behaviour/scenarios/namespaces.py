"""Namespaces: made, labelled, refused, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client import call_options
from containerd_client.api.containerd.services.namespaces.v1 import namespaces_pb2 as pb
from tests.containerd_behaviour.scenarios.things import record

if TYPE_CHECKING:
    from tests.containerd_behaviour.transcript import Transcript


async def play(transcript: Transcript) -> None:
    """Go through the life of a namespace."""
    step, namespaces = transcript.step, transcript.client.namespaces
    name = f"{transcript.client.namespace}-made"
    await step("get a missing one", namespaces.get(name))
    await step("create", namespaces.create(name, {"a": "1", "empty": ""}))
    await step("create again", namespaces.create(name))
    await step("create with a bad name", namespaces.create("no/slash"))
    await step("create with a long name", namespaces.create("n" * 77))
    await step("create without a name", namespaces.create(""))
    await step("get", namespaces.get(name))
    await step("set a label", namespaces.update(pb.Namespace(name=name, labels={"b": "2"}), "labels.b"))
    await step("remove a label", namespaces.update(pb.Namespace(name=name), "labels.a"))
    await step("set the name", namespaces.update(pb.Namespace(name=name), "name"))
    await step("get after the updates", namespaces.get(name))
    with call_options(namespace=name):
        await transcript.client.containers.create(record("c"))
        await transcript.client.snapshots("overlayfs").prepare("s")
        await step("delete while it holds something", namespaces.delete(name))
        await transcript.client.containers.delete("c")
        await transcript.client.snapshots("overlayfs").remove("s")
    await step("delete", namespaces.delete(name))
    await step("delete again", namespaces.delete(name))
    await transcript.events()
    with call_options(namespace="bad/name"):
        await step("a bad namespace in the header", transcript.client.containers.get("c"))
    with call_options(namespace="never-made"):
        await step("get a container of a namespace that is not there", transcript.client.containers.get("c"))
        await step("list its containers", transcript.client.containers.list())
        await step("list its images", transcript.client.images.list())
        await step("list its snapshots", transcript.client.snapshots("overlayfs").list())
        await step("list its tasks", transcript.client.tasks.list())
