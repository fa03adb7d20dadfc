"""Namespaces, containers, images, leases and introspection of a real containerd."""

from __future__ import annotations

import asyncio

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    call_options,
)
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.api.containerd.services.namespaces.v1 import namespaces_pb2
from containerd_client.api.containerd.types import types_pb2


def container(id_: str, **fields) -> containers_pb2.Container:
    runtime = containers_pb2.Container.Runtime(name="io.containerd.runc.v2")
    return containers_pb2.Container(
        id=id_, runtime=runtime, **{"spec": AnyMessage(type_url="x", value=b"{}"), **fields}
    )


async def test_version_and_introspection(client):
    """The daemon tells its version and plugins; the CRI plugin is not among them."""
    assert (await client.version.get()).version.count(".") >= 2
    assert (await client.introspection.server()).uuid
    overlay = await client.introspection.plugins("type==io.containerd.snapshotter.v1,id==overlayfs")
    assert [plugin.id for plugin in overlay] == ["overlayfs"]
    assert "cri" not in [plugin.id for plugin in await client.introspection.plugins()]


async def test_namespaces(client):
    """Made, labelled, listed, removed; a second make is AlreadyExists, a bad name InvalidArgument."""
    await client.namespaces.create("made-here", {"a": "1"})
    with pytest.raises(AlreadyExists):
        await client.namespaces.create("made-here")
    assert (await client.namespaces.ensure("made-here")).labels == {"a": "1"}
    await client.namespaces.update(namespaces_pb2.Namespace(name="made-here", labels={"a": "2"}), "labels.a")
    assert (await client.namespaces.get("made-here")).labels == {"a": "2"}
    with call_options(namespace="made-here"):
        await client.containers.create(container("c"))
        with pytest.raises(FailedPrecondition):
            await client.namespaces.delete("made-here")
        await client.containers.delete("c")
    await client.namespaces.delete("made-here")
    assert "made-here" not in [namespace.name for namespace in await client.namespaces.list()]
    with pytest.raises(InvalidArgument):
        await client.namespaces.create("no/slash")


async def test_containers_from_birth_to_death(client):
    """Create, get, update of single fields, filter, delete; times and Anys come back as they are."""
    extension = AnyMessage(type_url="github.com/containerd/cri/x", value=b'{"a":1}')
    made = await client.containers.create(container("c1", labels={"kind": "s"}, extensions={"e": extension}))
    assert made.created_at.seconds > 0
    with pytest.raises(AlreadyExists):
        await client.containers.create(container("c1"))
    extension.value = b"{}"
    await client.containers.update(containers_pb2.Container(id="c1", extensions={"e": extension}), "extensions.e")
    stored = await client.containers.get("c1")
    assert (stored.extensions["e"], stored.labels["kind"], stored.spec.value) == (extension, "s", b"{}")
    await client.containers.create(container("c2", labels={"kind": "c"}))
    assert [c.id for c in await client.containers.list('labels."kind"==c')] == ["c2"]
    assert {c.id for c in await client.containers.list("id==c1", "id==c2")} == {"c1", "c2"}
    await client.containers.delete("c1")
    with pytest.raises(NotFound, match="Containers/Delete: container"):
        await client.containers.delete("c1")
    with pytest.raises(NotFound):
        await client.containers.get("c1")


async def test_the_check_recognises_what_containerd_stored(client):
    """What containerd returns equals what was sent, times apart; otherwise no repeat would find its own."""
    wanted = container("c", labels={"a": "b"}, image="i", snapshotter="overlayfs", snapshot_key="c")
    wanted.extensions["e"].CopyFrom(AnyMessage(type_url="x", value=b"1"))
    request = containers_pb2.CreateContainerRequest(container=wanted)
    assert await client.containers._check_created(request) is None
    await client.containers.create(wanted)
    assert await client.containers._check_created(request) is not None
    wanted.labels["a"] = "other"
    assert await client.containers._check_created(containers_pb2.CreateContainerRequest(container=wanted)) is None


async def test_a_listing_beyond_the_message_limit(client, hops):
    """200 containers with 100 KB each are 20 MB: more than one message may have, so they come one by one."""
    payload = AnyMessage(type_url="x", value=b"x" * 70_000)
    limit = asyncio.Semaphore(16)

    async def make(number: int) -> None:
        async with limit:
            await client.containers.create(
                container(f"c{number}", labels={"l": "v" * 4000}, extensions={"e": payload}, spec=payload)
            )

    await asyncio.gather(*(make(number) for number in range(200)))
    hops.clear()
    containers = await client.containers.list()
    assert {c.id for c in containers} == {f"c{number}" for number in range(200)}
    assert all(c.extensions["e"] == payload for c in containers)
    (hop,) = hops
    assert hop.method.endswith("/ListStream")
    assert hop.bytes_in > 16 << 20


async def test_images(client):
    """Create, retarget, filter, delete."""
    first = types_pb2.Descriptor(
        media_type="application/vnd.oci.image.manifest.v1+json", digest="sha256:" + "1" * 64, size=1
    )
    second = types_pb2.Descriptor(media_type=first.media_type, digest="sha256:" + "2" * 64, size=1)
    await client.images.create(images_pb2.Image(name="example.com/a:1", target=first, labels={"k": "v"}))
    with pytest.raises(AlreadyExists):
        await client.images.create(images_pb2.Image(name="example.com/a:1", target=first))
    await client.images.update(images_pb2.Image(name="example.com/a:1", target=second), "target")
    stored = await client.images.get("example.com/a:1")
    assert (stored.target.digest, stored.labels["k"]) == (second.digest, "v")
    assert [image.name for image in await client.images.list(f"target.digest=={second.digest}")] == ["example.com/a:1"]
    await client.images.delete("example.com/a:1", sync=True)
    with pytest.raises(NotFound):
        await client.images.get("example.com/a:1")


async def test_leases(client):
    """Random and given ids, resources, and a repeat that would find its own."""
    lease = await client.leases.create(labels={"a": "b"})
    assert [entry.id for entry in await client.leases.list(f"id=={lease.id}")] == [lease.id]
    await client.leases.create("given")
    with pytest.raises(AlreadyExists):
        await client.leases.create("given")
    await client.leases.add_resource("given", "some-ref", "ingests")
    await client.leases.add_resource("given", "some-ref", "ingests")
    assert [(r.id, r.type) for r in await client.leases.list_resources("given")] == [("some-ref", "ingests")]
    await client.leases.delete_resource("given", "some-ref", "ingests")
    await client.leases.delete("given", sync=True)
    await client.leases.delete(lease.id)
    with pytest.raises(NotFound):
        await client.leases.delete("given")
    assert await client.leases.list() == []


async def test_a_held_lease_is_in_force_and_goes_away(client):
    """Inside the block resources go to the lease; after it, after an error and after a cancellation there is none."""
    async with client.leases.hold({"why": "test"}) as lease:
        await client.snapshots("overlayfs").prepare("held")
        assert [r.id for r in await client.leases.list_resources(lease.id)] == ["held"]
        assert lease.labels["why"] == "test"
        assert "containerd.io/gc.expire" in lease.labels
    assert await client.leases.list() == []
    with pytest.raises(RuntimeError):
        async with client.leases.hold():
            raise RuntimeError
    entered = asyncio.Event()

    async def hang() -> None:
        with call_options(timeout=30):
            async with client.leases.hold():
                entered.set()
                await asyncio.sleep(60)

    task = asyncio.create_task(hang())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await client.leases.list() == []
