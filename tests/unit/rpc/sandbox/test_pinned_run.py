"""RunPodSandbox for a pod without a process: its steps, each failing and each with a client that hangs up."""

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

pytestmark = pytest.mark.parametrize("service", [{"sandbox": {"infra": "pinned"}}], ids=["pinned"], indirect=True)


async def test_undo_and_retry_after_a_record_that_fails(node: Node) -> None:
    """The client gets containerd's words, nothing is left, and the same request makes the pod."""
    before = node.there()
    config = node.kubelet.pod_config()
    node.fake.faults.add("Containers/Create", FaultKind.UNKNOWN, text="the disk is on fire")
    code, text = await failure(node.client.RunPodSandbox(config=config))
    assert (code, "the disk is on fire" in text) == (grpc.StatusCode.UNKNOWN, True)
    assert not node.changed(before)
    pod_id = (await node.client.RunPodSandbox(config=config)).pod_sandbox_id
    assert await node.kubelet.pods() == {pod_id: cri.SANDBOX_READY}


async def test_addresses_that_cannot_be_recorded(node: Node) -> None:
    """The answer may be out already, so the pod stays listed as not ready, and its removal leaves nothing."""
    before = node.there()
    node.fake.faults.add("Containers/Update", FaultKind.HANG)
    pod_id, _ = await node.kubelet.run_pod()
    await until(lambda: node.fake.faults.hanging)
    del node.fake.state["k8s.io"].containers[pod_id]
    node.fake.faults.clear()
    await node.until_idle()
    assert await node.kubelet.pods() == {pod_id: cri.SANDBOX_NOTREADY}
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    await node.client.RemovePodSandbox(pod_sandbox_id=pod_id)
    assert not node.changed(before)


@pytest.mark.parametrize("method", ["Containers/Create", "Containers/Update"])
async def test_hang_up_at_a_step(method: str, node: Node) -> None:
    """The pod is made all the same, and a client that asks again gets it."""
    node.fake.faults.add(method, FaultKind.HANG)
    config = node.kubelet.pod_config()
    running = asyncio.create_task(node.client.RunPodSandbox(config=config))
    await until(lambda: node.fake.faults.hanging)
    running.cancel()
    await asyncio.wait([running])
    again = asyncio.create_task(node.client.RunPodSandbox(config=config))
    node.fake.faults.clear()
    pod_id = (await again).pod_sandbox_id
    await node.until_idle()
    assert await node.kubelet.pods() == {pod_id: cri.SANDBOX_READY}
    assert node.cni.commands == ["ADD"]
