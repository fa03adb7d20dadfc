"""New resources of a pod go into its configuration, where they are set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.sandbox_update import updated_config
from lab.cri_client import failure
from tests.fakes.containerd import FaultKind

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

SHARES: dict[str, Any] = {"resources": {"cpu_shares": 77}}


def test_what_is_set_replaces_and_the_rest_stays():
    """``resources`` replaces the old ones as a whole, an absent ``overhead`` changes nothing, the old value is kept."""
    config = cri.PodSandboxConfig(hostname="h")
    config.linux.overhead.cpu_shares = 2
    config.linux.resources.cpu_shares = 3
    config.linux.resources.memory_limit_in_bytes = 4
    before = cri.PodSandboxConfig.FromString(config.SerializeToString())
    request = cri.UpdatePodSandboxResourcesRequest(resources=cri.LinuxContainerResources(cpu_quota=5))
    changed = updated_config(config, request)
    assert changed.linux.resources == cri.LinuxContainerResources(cpu_quota=5)
    assert changed.linux.overhead.cpu_shares == 2
    assert changed.hostname == "h"
    assert config == before


async def test_the_record_comes_first(node: Node) -> None:
    """A record that cannot be written leaves the pod as it was; the next request changes both."""
    pod_id, _ = await node.kubelet.run_pod()
    await node.until_idle()
    before = node.service.sandboxes.get(pod_id)
    node.fake.faults.add("Containers/Update", FaultKind.UNKNOWN, text="the database is locked")
    code, text = await failure(node.client.UpdatePodSandboxResources(pod_sandbox_id=pod_id, **SHARES))
    assert (code, "the database is locked" in text) == (grpc.StatusCode.UNKNOWN, True)
    assert node.service.sandboxes.get(pod_id) is before
    await node.client.UpdatePodSandboxResources(pod_sandbox_id=pod_id, **SHARES)
    assert node.service.sandboxes.get(pod_id).config.linux.resources.cpu_shares == 77


async def test_what_is_refused(node: Node) -> None:
    """A pod that is unknown, and one that is not ready."""
    pod_id, _ = await node.kubelet.run_pod()
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    code, text = await failure(node.client.UpdatePodSandboxResources(pod_sandbox_id=pod_id, **SHARES))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text == f"sandbox {pod_id} is not running; its resources cannot be updated"
    code, _ = await failure(node.client.UpdatePodSandboxResources(pod_sandbox_id="nothing", **SHARES))
    assert code == grpc.StatusCode.NOT_FOUND
