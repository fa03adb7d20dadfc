"""Streaming RPCs through the real instrument layer and a real gRPC server; the stores are all there is behind it."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.trace_policy import TracePolicy
from cri_shim.rpc.sandbox_metrics_stream import stream_pod_sandbox_metrics
from cri_shim.server.current import Current
from cri_shim.server.instrument import handlers
from cri_shim.state.container_events import EVENTS_BUFFERED, Events
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox
from cri_shim.sync.readiness import Readiness
from lab.cri_client import CriClient

if TYPE_CHECKING:
    from cri_shim.service import Service

PATIENCE = 60
# So large that a client which does not read fills every buffer on the way soon.
LARGE = {"note": "x" * 20_000}


class FakeImages:
    """No image is known."""

    def resolve(self, _ref):
        return None


class Node:
    """Stores, server and client."""

    def __init__(self, socket):
        self.socket = socket
        self.sandboxes: Index[Sandbox] = Index("sandbox")
        self.containers: Index[Container] = Index("container")
        self.events = Events(self.sandboxes, self.containers)
        self.readiness = Readiness()
        self.readiness.set_ready()
        self.service = SimpleNamespace(
            sandboxes=self.sandboxes,
            containers=self.containers,
            events=self.events,
            readiness=self.readiness,
            images=FakeImages(),
            ledger=Ledger(),
            traces=TracePolicy(),
            config=None,
            snapshot_usage=None,
        )
        self.server = grpc.aio.server()
        self.server.add_generic_rpc_handlers(handlers(Current(cast("Service", self.service))))
        self.server.add_insecure_port(f"unix://{socket}")

    def run_pod(self, id_, annotations=None):
        self.sandboxes.put(
            Sandbox(id_, id_, cri.PodSandboxConfig(annotations=annotations or {}), 1, pid=5, cni_result={})
        )

    def create(self, id_, sandbox_id):
        self.containers.put(Container(id_, id_, sandbox_id, cri.ContainerConfig(), Status(created_at=1), "i"))


@pytest.fixture
async def node(tmp_path):
    made = Node(tmp_path / "s")
    await made.server.start()
    yield made
    made.events.close()
    await made.server.stop(0)


@pytest.fixture
async def client(node):
    async with CriClient(f"unix://{node.socket}") as made:
        yield made


async def subscribe(client) -> Any:
    call = client.stream("GetContainerEvents")
    await asyncio.wait_for(call.initial_metadata(), PATIENCE)
    return call


async def follow(call, seen):
    async for event in call:
        seen.append(event.container_id)


async def wait_for(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_events_come_as_messages(node, client):
    """What changes after the headers came is told, with the statuses of pod and containers, or neither."""
    call = await subscribe(client)
    node.run_pod("s")
    node.create("a", "s")
    node.create("lost", "nowhere")
    created, started, of_a, of_lost = [await asyncio.wait_for(call.read(), PATIENCE) for _ in range(4)]
    assert (created.container_id, created.container_event_type) == ("s", cri.CONTAINER_CREATED_EVENT)
    assert (started.container_id, started.container_event_type) == ("s", cri.CONTAINER_STARTED_EVENT)
    assert of_a.pod_sandbox_status.id == "s"
    assert [(status.id, status.state) for status in of_a.containers_statuses] == [("a", cri.CONTAINER_CREATED)]
    assert of_lost.container_id == "lost"
    assert not of_lost.HasField("pod_sandbox_status")
    assert not of_lost.containers_statuses
    call.cancel()


async def test_who_hangs_up_is_forgotten(node, client):
    """A subscriber that cancels, or whose connection goes, is no subscriber any more."""
    call = await subscribe(client)
    other = CriClient(f"unix://{node.socket}")
    await subscribe(other)
    assert len(node.events) == 2
    call.cancel()
    await wait_for(lambda: len(node.events) == 1)
    await other.close()
    await wait_for(lambda: len(node.events) == 0)


async def test_who_does_not_read_is_given_up(node, client):
    """A client that reads nothing is ended with RESOURCE_EXHAUSTED; another one on the node misses no event."""
    async with CriClient(f"unix://{node.socket}") as other:
        slow, quick = await subscribe(client), await subscribe(other)
        seen: list[str] = []
        following = asyncio.create_task(follow(quick, seen))
        node.run_pod("s", LARGE)
        number = 0
        # More than is kept, and more than lies in the buffers of a connection that is not read.
        while number < EVENTS_BUFFERED:
            for _ in range(200):
                node.create(f"c{number}", "s")
                node.containers.drop(f"c{number}")
                number += 1
            # The one that reads is given the time to.
            await wait_for(lambda: len(seen) == 2 + 2 * number)
        assert seen[-1] == f"c{number - 1}"
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        with pytest.raises(grpc.aio.AioRpcError, match="events behind"):
            async with asyncio.timeout(PATIENCE):
                async for _ in slow:
                    pass
        assert await slow.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_end_waits_for_no_subscriber(node, client):
    """A subscriber that reads is ended at once; another holds up nothing past the grace."""
    waiting, stuck = await subscribe(client), await subscribe(client)
    seen: list[str] = []
    following = asyncio.create_task(follow(waiting, seen))
    node.run_pod("s", LARGE)
    for number in range(EVENTS_BUFFERED // 4):
        node.create(f"c{number}", "s")
        node.containers.drop(f"c{number}")
    await wait_for(lambda: len(seen) == 2 + EVENTS_BUFFERED // 2)
    assert len(node.events) == 2
    node.events.close()
    with pytest.raises(grpc.aio.AioRpcError, match="shutting down") as error:
        await asyncio.wait_for(following, PATIENCE)
    assert error.value.code() == grpc.StatusCode.UNAVAILABLE
    async with asyncio.timeout(PATIENCE):
        await node.server.stop(1)
    assert len(node.events) == 0
    stuck.cancel()


async def test_readiness_and_errors_hold_for_streams(node, client):
    """A stream is refused while the daemon is not ready, and ends with the code of what its function raises."""
    node.readiness.set_away("containerd is away")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await asyncio.wait_for(client.stream("StreamContainers").read(), PATIENCE)
    assert (error.value.code(), error.value.details()) == (grpc.StatusCode.UNAVAILABLE, "containerd is away")
    node.readiness.set_ready()
    # The statistics' sampler is not there: a bug is told as such, and the server lives on.
    node.create("a", "s")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await asyncio.wait_for(client.stream("StreamContainerStats").read(), PATIENCE)
    assert error.value.code() == grpc.StatusCode.INTERNAL
    message = await asyncio.wait_for(client.stream("StreamContainers").read(), PATIENCE)
    assert [container.id for container in message.containers] == ["a"]


async def test_a_stream_of_many(node, client):
    """A thousand large containers, more than one message may hold, come whole."""
    node.run_pod("s")
    for number in range(1000):
        config = cri.ContainerConfig(annotations=LARGE)
        node.containers.put(Container(f"c{number}", "", "s", config, Status(created_at=1), "i"))
    with pytest.raises(grpc.aio.AioRpcError):
        await client.ListContainers()
    got = [item.id async for message in client.stream("StreamContainers") for item in message.containers]
    assert got == [f"c{number}" for number in range(1000)]


class NoLayers:
    """No container has a layer."""

    async def take_first(self, _places):
        """Nothing is to be measured."""


class CountingStats:
    """Gives no readings, and counts what was asked for."""

    def __init__(self):
        self.asked = []

    async def read(self, subjects, **_):
        self.asked += subjects
        return {}

    async def details(self, _subjects):
        return {}


async def test_metrics_are_measured_when_they_are_sent(node):
    """A client that does not read costs the daemon one message, not the metrics of all pods."""
    for number in range(20):
        node.run_pod(f"s{number}")
    node.service.stats, node.service.snapshot_usage = CountingStats(), NoLayers()
    stream = await stream_pod_sandbox_metrics(cast("Service", node.service), cri.StreamPodSandboxMetricsRequest())
    assert (await anext(stream)).pod_sandbox_metrics
    assert len(node.service.stats.asked) < 10
    ids = {metrics.pod_sandbox_id async for message in stream for metrics in message.pod_sandbox_metrics}
    assert len(ids) > 10
