"""Every call leaves one record, whatever became of it."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar

import grpc
import pytest

from containerd_client import ClientClosed, Containerd, Internal, NotFound
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.api.containerd.services.version.v1 import version_pb2
from tests.unit.waiting import until

VERSION = "containerd.services.version.v1.Version/Version"
GET = "containerd.services.containers.v1.Containers/Get"
SNAPSHOTS = "containerd.services.snapshots.v1.Snapshots/List"


async def never(_request: bytes) -> version_pb2.VersionResponse:
    await asyncio.sleep(60)
    return version_pb2.VersionResponse()


async def test_bytes_are_those_of_the_messages(client, fake, hops):
    """Sizes are the serialised messages' own."""
    request = containers_pb2.GetContainerRequest(id="abc")
    response = containers_pb2.GetContainerResponse(container=containers_pb2.Container(id="abc", image="i" * 1000))
    fake.script[GET] = [response]
    began = time.perf_counter()
    await client.containers.get("abc")
    (hop,) = hops
    assert (hop.method, hop.attempts, hop.code) == (GET, 1, "OK")
    assert (hop.bytes_out, hop.bytes_in) == (request.ByteSize(), response.ByteSize())
    assert 0 < hop.duration < time.perf_counter() - began


async def test_a_failed_call_is_reported_with_its_code(client, fake, hops):
    """An error is a hop too."""
    fake.script[GET] = [grpc.StatusCode.NOT_FOUND]
    with pytest.raises(NotFound):
        await client.containers.get("abc")
    assert [(hop.code, hop.bytes_in) for hop in hops] == [("NOT_FOUND", 0)]


async def test_a_cancelled_call_ends_on_the_server_and_is_reported(client, fake, hops):
    """The caller's cancellation reaches containerd, the hop says CANCELLED, and the cancellation goes on."""
    fake.script[VERSION] = [never]
    task = asyncio.create_task(client.version.get())
    await until(lambda: fake.calls(VERSION))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [hop.code for hop in hops] == ["CANCELLED"]
    await until(lambda: fake.cancelled == [VERSION])
    assert "0 calls in flight" in repr(client)


async def test_closing_the_client_is_no_cancellation(fake, hops):
    """A caller that was not cancelled gets an error, not a CancelledError that would look like its own."""
    fake.script[VERSION] = [never]
    client = Containerd(fake.address, on_hop=hops.append)
    task = asyncio.create_task(client.version.get())
    await until(lambda: fake.calls(VERSION))
    assert "1 calls in flight" in repr(client)
    await client.close()
    with pytest.raises(ClientClosed):
        await task
    with pytest.raises(ClientClosed):
        await client.version.get()
    with pytest.raises(ClientClosed):
        await client.containers.list()


async def test_the_hook_runs_in_the_callers_context(fake):
    """What a request sets in a context variable is visible where its hops are noted."""
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: list[str] = []
    fake.script[VERSION] = [version_pb2.VersionResponse()]
    async with Containerd(fake.address, on_hop=lambda _: seen.append(request.get())) as client:
        request.set("mine")
        await client.version.get()
    assert seen == ["mine"]


async def test_a_stream_is_one_hop_at_its_end(client, fake, hops):
    """Messages of a stream add up in one record."""
    message = snapshots_pb2.ListSnapshotsResponse(info=[snapshots_pb2.Info(name="a")])
    fake.streaming.add(SNAPSHOTS)
    fake.script[SNAPSHOTS] = [message]
    assert [info.name for info in await client.snapshots("overlayfs").list()] == ["a"]
    assert [(hop.code, hop.bytes_in, hop.attempts) for hop in hops] == [("OK", message.ByteSize(), 1)]


async def test_an_answer_that_cannot_be_parsed_is_an_error_of_the_call(client, fake, hops):
    """Garbage is Internal, with the method's name, and not a crash of protobuf's."""
    fake.script[VERSION] = [b"\xff\xff"]
    with pytest.raises(Internal, match=r"Version/Version: .*parsed"):
        await client.version.get()
    assert [hop.code for hop in hops] == ["INTERNAL"]
