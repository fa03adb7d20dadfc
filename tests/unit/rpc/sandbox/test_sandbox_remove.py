"""RemovePodSandbox: the pod is stopped and everything of it goes, the record last."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import grpc
import pytest

from lab.cri_client import failure
from tests.fakes.containerd import FaultKind
from tests.unit.waiting import until

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

PINNED = {"sandbox": {"infra": "pinned"}}
BOTH = pytest.mark.parametrize("service", [{}, PINNED], ids=["pause", "pinned"], indirect=True)
STEPS = ("Tasks/Kill", "Tasks/Delete", "Snapshots/Remove", "Containers/Delete")


@BOTH
async def test_a_running_pod(node: Node) -> None:
    """Its containers are ended and removed with it, its record goes last, and nothing is left."""
    before = node.there()
    pod_id, _, _ = await node.kubelet.running_container()
    await node.client.RemovePodSandbox(pod_sandbox_id=pod_id)
    assert not node.changed(before)
    last: object = node.fake.called("Containers/Delete")[-1].request
    assert getattr(last, "id", "") == pod_id
    await node.client.RemovePodSandbox(pod_sandbox_id=pod_id)


@pytest.mark.parametrize("method", STEPS)
async def test_a_step_that_fails(method: str, node: Node) -> None:
    """The pod stays listed as not ready, and the removal can be repeated."""
    before = node.there()
    pod_id, _, _ = await node.kubelet.running_container()
    await node.until_idle()
    node.fake.faults.add(method, FaultKind.UNKNOWN, text="device or resource busy", times=None)
    code, text = await failure(node.client.RemovePodSandbox(pod_sandbox_id=pod_id))
    assert code in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.FAILED_PRECONDITION}
    assert "device or resource busy" in text
    assert re.search("(sandbox|container) [0-9a-f]{64}", text)
    assert list(await node.kubelet.pods()) == [pod_id]
    node.fake.faults.clear()
    await node.client.RemovePodSandbox(pod_sandbox_id=pod_id)
    assert not node.changed(before)


async def test_a_plugin_that_fails(node: Node) -> None:
    """Without a DEL nothing is removed, because the address would be lost."""
    pod_id, _ = await node.kubelet.run_pod()
    node.cni.fail("DEL", "the bridge is busy")
    _, text = await failure(node.client.RemovePodSandbox(pod_sandbox_id=pod_id))
    assert "the bridge is busy" in text
    assert list(await node.kubelet.pods()) == [pod_id]
    node.cni.mend()
    await node.client.RemovePodSandbox(pod_sandbox_id=pod_id)
    assert not await node.kubelet.pods()


@pytest.mark.parametrize("method", ["Tasks/Kill", "Containers/Delete"])
async def test_hang_up(method: str, node: Node) -> None:
    """The removal goes on without its client, and a second client joins it."""
    pod_id, _, _ = await node.kubelet.running_container()
    await node.until_idle()
    node.fake.faults.add(method, FaultKind.HANG)
    removing = asyncio.create_task(node.client.RemovePodSandbox(pod_sandbox_id=pod_id))
    await until(lambda: node.fake.faults.hanging)
    removing.cancel()
    await asyncio.wait([removing])
    again = asyncio.create_task(node.client.RemovePodSandbox(pod_sandbox_id=pod_id))
    await asyncio.sleep(0)
    node.fake.faults.clear()
    await again
    assert not await node.kubelet.pods()
    assert not node.fake.state["k8s.io"].containers


async def test_what_a_killed_daemon_has_left(node: Node) -> None:
    """The cgroups of a pod that an earlier daemon made are removed, too: a start may have been cut off."""
    pod_id, _ = await node.kubelet.run_pod()
    await node.until_idle()
    node.service.sandboxes.update(pod_id, lambda sandbox: sandbox.replace(unknown_reason="a start was cut off"))
    cgroup = node.cgroups.directory("memory", f"/k8s.io/{pod_id}")
    cgroup.mkdir(parents=True)
    await node.client.RemovePodSandbox(pod_sandbox_id=pod_id)
    assert not cgroup.exists()
