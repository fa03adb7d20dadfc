"""GetContainerEvents in front of a whole service: what happens to a pod, in its order, with statuses of that time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.unit.fake_node import Node


async def test_the_life_of_a_container(node: Node) -> None:
    """Each event has the pod as it was then; the last one has no pod, because there is none any more."""
    subscription: AsyncGenerator[Any] = node.client.stream("GetContainerEvents")  # type: ignore[assignment]
    async with aclosing(subscription) as events:
        reading = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.01)
        pod_id, config = await node.kubelet.run_pod()
        id_ = await node.kubelet.start(pod_id, config)
        await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
        await node.client.RemovePodSandbox(pod_sandbox_id=pod_id)
        seen = [await reading]
        while (seen[-1].container_id, seen[-1].container_event_type) != (pod_id, cri.CONTAINER_DELETED_EVENT):
            seen.append(await anext(events))
    of_container = [event for event in seen if event.container_id == id_]
    assert [event.container_event_type for event in of_container] == [
        cri.CONTAINER_CREATED_EVENT,
        cri.CONTAINER_STARTED_EVENT,
        cri.CONTAINER_STOPPED_EVENT,
        cri.CONTAINER_DELETED_EVENT,
    ]
    assert [event.containers_statuses[0].state for event in of_container[:3]] == [
        cri.CONTAINER_CREATED,
        cri.CONTAINER_RUNNING,
        cri.CONTAINER_EXITED,
    ]
    assert seen[0].pod_sandbox_status.id == pod_id
    assert seen[-1].pod_sandbox_status.state == cri.SANDBOX_NOTREADY


async def test_an_event_that_cannot_be_sent(node: Node) -> None:
    """A text that has no place in a message costs one event, and the subscription goes on."""
    subscription: AsyncGenerator[Any] = node.client.stream("GetContainerEvents")  # type: ignore[assignment]
    id_ = await node.running()
    async with aclosing(subscription) as events:
        reading = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.01)
        whole = node.service.containers.get(id_)
        node.service.containers.update(id_, lambda _: whole.replace(log_path="\ud800").with_status(finished_at=1))
        await asyncio.sleep(0.01)
        assert not reading.done()
        node.service.containers.update(id_, lambda _: whole)
        await node.client.RemoveContainer(container_id=id_)
        assert (await reading).container_id == id_
