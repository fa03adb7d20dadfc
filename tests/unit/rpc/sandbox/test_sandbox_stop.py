"""StopPodSandbox: processes and network end at the same time, and a stop may be repeated."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle import lost_file, termination
from lab.cri_client import failure
from tests.fakes.containerd import FaultKind
from tests.unit.waiting import until

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

PINNED = {"sandbox": {"infra": "pinned"}}
BOTH = pytest.mark.parametrize("service", [{}, PINNED], ids=["pause", "pinned"], indirect=True)


async def running_pod(node: Node) -> tuple[str, str]:
    """Run a pod with a container; return the ids of both when nothing is left to do in the background."""
    pod_id, _, id_ = await node.kubelet.running_container()
    await node.until_idle()
    return pod_id, id_


@BOTH
async def test_a_pod_that_is_stopped(node: Node) -> None:
    """It is not ready, its containers have ended, and its address is free; another stop does nothing."""
    pod_id, id_ = await running_pod(node)
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    assert await node.kubelet.pods() == {pod_id: cri.SANDBOX_NOTREADY}
    assert await node.kubelet.states() == {id_: cri.CONTAINER_EXITED}
    assert not node.cni.attached
    status = (await node.client.PodSandboxStatus(pod_sandbox_id=pod_id)).status
    assert not status.network.ip
    # The ends of both processes come as events, and their tasks are deleted then.
    await until(lambda: len(node.hops("Tasks/Delete")) >= len(node.hops("Tasks/Start")))
    await node.until_idle()
    seen = len(node.fake.calls)
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    assert not node.hops("Tasks/Kill", "Tasks/Delete", since=seen)
    assert node.cni.commands == ["ADD", "DEL"]


async def test_an_unknown_pod_is_stopped(node: Node) -> None:
    """The answer is a success, and containerd is not asked."""
    seen = len(node.fake.calls)
    await node.client.StopPodSandbox(pod_sandbox_id="nothing")
    assert not node.asked(since=seen)


async def test_processes_end_beside_the_network(node: Node) -> None:
    """A plugin that is slow at DEL holds up the answer, and no process."""
    pod_id, id_ = await running_pod(node)
    node.cni.hold("DEL")
    stopping = asyncio.create_task(node.client.StopPodSandbox(pod_sandbox_id=pod_id))
    await until(lambda: node.cni.commands == ["ADD", "DEL"] and not node.service.containers.get(id_).running)
    await until(lambda: node.service.sandboxes.get(pod_id).exited_at)
    assert not stopping.done()
    node.cni.mend()
    await stopping


async def test_a_plugin_that_fails(node: Node) -> None:
    """The kubelet gets the plugin's words and asks again, which then runs only what is left to do."""
    pod_id, _ = await running_pod(node)
    node.cni.fail("DEL", "the bridge is busy")
    _, text = await failure(node.client.StopPodSandbox(pod_sandbox_id=pod_id))
    assert "the bridge is busy" in text
    assert node.cni.attached == {pod_id}
    assert await node.kubelet.pods() == {pod_id: cri.SANDBOX_NOTREADY}
    node.cni.mend()
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    assert not node.cni.attached


async def test_a_process_that_cannot_be_killed(node: Node) -> None:
    """The client gets the shim's words, the network goes all the same, and a retry ends the process."""
    pod_id, id_ = await running_pod(node)
    node.fake.faults.add("Tasks/Kill", FaultKind.UNKNOWN, text="the shim is confused", times=None)
    code, text = await failure(node.client.StopPodSandbox(pod_sandbox_id=pod_id))
    assert (code, "the shim is confused" in text) == (grpc.StatusCode.UNKNOWN, True)
    assert not node.cni.attached
    assert node.service.containers.get(id_).running
    node.fake.faults.clear()
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    assert await node.kubelet.states() == {id_: cri.CONTAINER_EXITED}


async def test_hang_up(node: Node) -> None:
    """The pod is stopped without its client, and a second client joins."""
    pod_id, id_ = await running_pod(node)
    node.fake.faults.add("Tasks/Kill", FaultKind.HANG)
    stopping = asyncio.create_task(node.client.StopPodSandbox(pod_sandbox_id=pod_id))
    await until(lambda: node.fake.faults.hanging)
    stopping.cancel()
    await asyncio.wait([stopping])
    again = asyncio.create_task(node.client.StopPodSandbox(pod_sandbox_id=pod_id))
    node.fake.faults.clear()
    await again
    assert await node.kubelet.states() == {id_: cri.CONTAINER_EXITED}
    assert node.cni.commands == ["ADD", "DEL"]


@pytest.mark.parametrize("runs", [True, False])
async def test_a_pod_of_which_nothing_is_known(runs: bool, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """containerd is asked whether its process runs, and one that is gone without an event is not waited for."""
    monkeypatch.setattr(termination, "POLL_EVERY", 1000)
    pod_id, id_ = await running_pod(node)
    node.service.sandboxes.update(pod_id, lambda sandbox: sandbox.replace(unknown_reason="its record was unreadable"))
    if not runs:
        node.fake.exit_task(id_, 0)
        tasks = node.fake.state["k8s.io"].tasks
        del tasks[id_], tasks[pod_id]
    stopping = asyncio.create_task(node.client.StopPodSandbox(pod_sandbox_id=pod_id))
    try:
        await until(stopping.done)
    finally:
        stopping.cancel()
    await stopping
    assert node.service.sandboxes.get(pod_id).exited_at
    assert await node.kubelet.states() == {id_: cri.CONTAINER_EXITED}


async def test_a_network_namespace_whose_file_is_lost(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes of the pod are asked for it before a plugin takes the pod off its network."""
    pod_id, id_ = await running_pod(node)
    path = node.service.sandboxes.get(pod_id).netns_path
    asked: list[tuple[str, set[str], list[str]]] = []

    def bind_again(_kernel: object, lost: str, pids: list[tuple[str, int]]) -> bool:
        asked.append((lost, {id_ for id_, _ in pids}, list(node.cni.commands)))
        return False

    monkeypatch.setattr(lost_file, "bind_again", bind_again)
    Path(path).unlink()
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    assert asked == [(path, {pod_id, id_}, ["ADD"])]
    assert node.cni.commands == ["ADD", "DEL"]


async def test_a_container_that_is_being_started(node: Node) -> None:
    """The stop waits for the start and then ends the process."""
    pod_id, config = await node.kubelet.run_pod()
    id_ = await node.kubelet.create(pod_id, config)
    await node.until_idle()
    node.fake.faults.add("Tasks/Create", FaultKind.HANG)
    starting = asyncio.create_task(node.client.StartContainer(container_id=id_))
    await until(lambda: node.fake.faults.hanging)
    stopping = asyncio.create_task(node.client.StopPodSandbox(pod_sandbox_id=pod_id))
    await asyncio.sleep(0.02)
    assert not stopping.done()
    node.fake.faults.clear()
    await asyncio.gather(starting, stopping)
    assert await node.kubelet.states() == {id_: cri.CONTAINER_EXITED}


async def test_a_pod_that_is_removed_meanwhile(node: Node) -> None:
    """A stop that waited for the start of the pod finds nothing left to stop."""
    node.fake.faults.add("Tasks/Start", FaultKind.HANG)
    pod_id, _ = await node.kubelet.run_pod()
    await until(lambda: node.fake.faults.hanging)
    removing = asyncio.create_task(node.client.RemovePodSandbox(pod_sandbox_id=pod_id))
    stopping = asyncio.create_task(node.client.StopPodSandbox(pod_sandbox_id=pod_id))
    await asyncio.sleep(0.01)
    node.fake.faults.clear()
    await asyncio.gather(removing, stopping)
    assert not await node.kubelet.pods()
