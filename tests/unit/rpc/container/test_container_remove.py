"""RemoveContainer: everything of a container goes, the record last, and a removal that failed can be repeated."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from tests.fakes.containerd import FaultKind
from tests.unit.waiting import until

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

STEPS = ("Tasks/Kill", "Tasks/Delete", "Snapshots/Remove", "Containers/Delete")
"""The hops of a removal that ends a process."""


async def test_the_record_goes_last(node: Node) -> None:
    """The process is killed, then its task, its snapshot and at last its record are removed; nothing is left."""
    pod_id, config = await node.kubelet.run_pod()
    await node.until_idle()
    before = node.there()
    id_ = await node.kubelet.start(pod_id, config)
    seen = len(node.fake.calls)
    await node.client.RemoveContainer(container_id=id_)
    assert node.hops(*STEPS, since=seen) == list(STEPS)
    assert not node.changed(before)


@pytest.mark.parametrize("method", STEPS)
async def test_a_step_that_fails(method: str, node: Node) -> None:
    """The container stays listed and can be removed again, which leaves nothing of it."""
    pod_id, config = await node.kubelet.run_pod()
    await node.until_idle()
    before = node.there()
    id_ = await node.kubelet.start(pod_id, config)
    node.fake.faults.add(method, FaultKind.UNKNOWN, text="device or resource busy", times=None)
    code, text = await failure(node.client.RemoveContainer(container_id=id_))
    assert code in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.FAILED_PRECONDITION}
    assert "device or resource busy" in text
    assert id_ in text
    assert list(await node.kubelet.states()) == [id_]
    assert not node.service.containers.get(id_).removing
    node.fake.faults.clear()
    await node.client.RemoveContainer(container_id=id_)
    assert not node.changed(before)


async def test_it_may_be_repeated(node: Node) -> None:
    """An unknown container is removed, whether it ever existed or not."""
    _, _, id_ = await node.kubelet.running_container()
    for removed in (id_, id_, "nothing"):
        await node.client.RemoveContainer(container_id=removed)
    assert not await node.kubelet.states()


async def test_hang_up(node: Node) -> None:
    """The removal goes on without its client, and a second client joins it."""
    _, _, id_ = await node.kubelet.running_container()
    node.fake.faults.add("Snapshots/Remove", FaultKind.HANG)
    removing = asyncio.create_task(node.client.RemoveContainer(container_id=id_))
    await until(lambda: node.fake.faults.hanging)
    removing.cancel()
    await asyncio.wait([removing])
    assert list(await node.kubelet.states()) == [id_]
    again = asyncio.create_task(node.client.RemoveContainer(container_id=id_))
    await asyncio.sleep(0)
    node.fake.faults.clear()
    await again
    assert not await node.kubelet.states()


async def test_a_removal_of_the_pod_that_comes_first(node: Node) -> None:
    """Both are successes, and each thing is removed once."""
    pod_id, _, id_ = await node.kubelet.running_container()
    node.fake.faults.add("Tasks/Delete", FaultKind.HANG)
    of_pod = asyncio.create_task(node.client.RemovePodSandbox(pod_sandbox_id=pod_id))
    await until(lambda: node.fake.faults.hanging)
    of_container = asyncio.create_task(node.client.RemoveContainer(container_id=id_))
    await asyncio.sleep(0)
    node.fake.faults.clear()
    await asyncio.gather(of_pod, of_container)
    assert not await node.kubelet.states()
    assert not await node.kubelet.pods()


async def test_a_start_while_it_is_removed(node: Node) -> None:
    """The start is refused or finds nothing, and the container is gone in the end."""
    id_ = await node.kubelet.create(*await node.kubelet.run_pod())
    node.fake.faults.add("Snapshots/Remove", FaultKind.HANG)
    removing = asyncio.create_task(node.client.RemoveContainer(container_id=id_))
    await until(lambda: node.fake.faults.hanging)
    starting = asyncio.create_task(node.client.StartContainer(container_id=id_))
    await asyncio.sleep(0.01)
    node.fake.faults.clear()
    await removing
    code, _ = await failure(starting)
    assert code in {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND}
    assert not await node.kubelet.states()


async def test_a_cgroup_that_a_start_has_left(node: Node) -> None:
    """A container that never ran may have one all the same, from a start that was cut off."""
    id_ = await node.kubelet.create(*await node.kubelet.run_pod())
    assert await node.kubelet.states() == {id_: cri.CONTAINER_CREATED}
    left = node.cgroups.directory("memory", f"/{node.service.config.containerd.namespace}/{id_}")
    left.mkdir(parents=True)
    await node.client.RemoveContainer(container_id=id_)
    assert not left.exists()
