"""Starts and stops of pods, and starts of containers, take a slot before they begin (docs/adr/0018)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.fake_node import Node


CHANGES = ("Snapshots/Prepare", "Containers/Create", "Tasks/Create", "Tasks/Start", "Tasks/Kill")


class Queue:
    """A limiter that admits nothing until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait until the queue is opened."""
        self.waiting += 1
        await self.opened.wait()
        yield


@pytest.mark.parametrize(
    ("rpc", "limiter"),
    [("RunPodSandbox", "pod_starts"), ("StartContainer", "container_starts"), ("StopPodSandbox", "pod_stops")],
)
async def test_nothing_begins_before_there_is_a_slot(
    rpc: str, limiter: str, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is changed in containerd while the request waits in the queue, and it succeeds once it is admitted."""
    fields: dict[str, Any] = {"config": node.kubelet.pod_config()}
    if rpc != "RunPodSandbox":
        pod_id, config = await node.kubelet.run_pod()
        id_ = await node.kubelet.create(pod_id, config)
        fields = {"container_id": id_} if rpc == "StartContainer" else {"pod_sandbox_id": pod_id}
    await node.until_idle()
    queue = Queue()
    monkeypatch.setattr(getattr(node.service, limiter), "slot", queue.slot)
    before = len(node.fake.calls)
    request = asyncio.create_task(getattr(node.client, rpc)(**fields))
    await until(lambda: queue.waiting or request.done())
    assert not request.done()
    assert not node.hops(*CHANGES, since=before)
    assert not node.cni.calls or rpc != "RunPodSandbox"
    queue.opened.set()
    await request


async def test_a_removal_after_a_stop_does_not_queue(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop that is part of a removal has nothing to end then, so it takes no slot."""
    pod_id, _, _ = await node.kubelet.running_container()
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    await node.until_idle()
    queue = Queue()
    monkeypatch.setattr(node.service.pod_stops, "slot", queue.slot)
    removal = asyncio.create_task(node.client.RemovePodSandbox(pod_sandbox_id=pod_id))
    await until(lambda: queue.waiting or removal.done())
    assert not queue.waiting
    await removal
    assert not await node.kubelet.pods()


async def test_a_pause_process_that_ends_before_its_pod_is_stored(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is recorded once the pod is there, so that the pod is not ready and the kubelet makes another."""
    made, ended = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slot() -> AsyncIterator[None]:
        yield
        made.set()
        await ended.wait()

    monkeypatch.setattr(node.service.pod_starts, "slot", slot)
    running = asyncio.create_task(node.client.RunPodSandbox(config=node.kubelet.pod_config()))
    await until(made.is_set)
    await until(lambda: node.hops("Containers/Update"))
    (pod_id,) = node.fake.state["k8s.io"].tasks
    node.fake.exit_task(pod_id, 1)
    await until(lambda: node.service.exits._early)
    ended.set()
    assert (await running).pod_sandbox_id == pod_id
    assert await node.kubelet.pods() == {pod_id: cri.SANDBOX_NOTREADY}
    await node.until_idle()
