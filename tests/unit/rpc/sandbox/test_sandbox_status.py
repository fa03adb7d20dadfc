"""PodSandboxStatus: from memory, with the statuses of the containers, and the record on request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.state.containers import exited
from lab.cri_client import failure
from lab.pod_configs import pod_config
from tests.fakes.cni import ADDRESS
from tests.fakes.containerd import FaultKind

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

PINNED = {"sandbox": {"infra": "pinned"}}
RUNC = {"runtime_type": "io.containerd.runc.v2", "options": {"Root": "/run/runc-of-the-node"}}
OPTIONS = {"containerd": {"runtimes": {"runc": RUNC}}}


async def test_a_ready_pod(node: Node) -> None:
    """It costs no hop, and the newest container comes first."""
    config = pod_config(labels={"a": "b"})
    pod_id = (await node.client.RunPodSandbox(config=config)).pod_sandbox_id
    first, second = [await node.kubelet.create(pod_id, config, attempt=attempt) for attempt in (0, 1)]
    await node.until_idle()
    seen = len(node.fake.calls)
    answer = await node.client.PodSandboxStatus(pod_sandbox_id=pod_id[:12])
    assert not node.asked(since=seen)
    assert (answer.status.id, answer.status.state) == (pod_id, cri.SANDBOX_READY)
    assert answer.status.network.ip == ADDRESS
    assert dict(answer.status.labels) == {"a": "b"}
    assert [each.id for each in answer.containers_statuses] == [second, first]
    assert answer.timestamp >= answer.status.created_at
    assert not answer.info


@pytest.mark.parametrize(
    ("service", "infra"),
    [(OPTIONS, "pause"), (OPTIONS | PINNED, "pinned")],
    ids=["pause", "pinned"],
    indirect=["service"],
)
async def test_the_verbose_form(infra: str, node: Node) -> None:
    """It has what containerd's plugin tells under the same names."""
    pod_id, _ = await node.kubelet.run_pod()
    await node.until_idle()
    answer = await node.client.PodSandboxStatus(pod_sandbox_id=pod_id, verbose=True)
    info = json.loads(answer.info["info"])
    assert (info["infra"], info["processStatus"], info["netNamespaceClosed"]) == (infra, "running", False)
    assert info["runtimeSpec"]["hostname"] or infra == "pinned"
    assert info["runtimeOptions"] == {"root": "/run/runc-of-the-node"}
    assert info["sandboxMetadata"]["Version"] == "v1"
    assert info["sandboxMetadata"]["Metadata"]["ID"] == pod_id
    assert info["notReadyReason"] == ""


async def test_the_verbose_form_without_containerd(node: Node) -> None:
    """What is in memory is told, and why the rest is missing."""
    pod_id = (await node.client.RunPodSandbox(config=pod_config(network=cri.NODE))).pod_sandbox_id
    await node.until_idle()
    node.fake.faults.add("Containers/Get", FaultKind.UNKNOWN, text="the database is locked")
    answer = await node.client.PodSandboxStatus(pod_sandbox_id=pod_id, verbose=True)
    info = json.loads(answer.info["info"])
    assert info["netNamespaceClosed"] is False
    assert any("the database is locked" in str(value) for value in info.values())
    assert "runtimeSpec" not in info


async def test_a_namespace_that_is_gone(node: Node) -> None:
    """The pod is not ready, has no address, and the verbose form says that the namespace is closed."""
    pod_id, _ = await node.kubelet.run_pod()
    await node.until_idle()
    node.kernel.remove_network_namespace(node.service.sandboxes.get(pod_id).netns_path)
    answer = await node.client.PodSandboxStatus(pod_sandbox_id=pod_id, verbose=True)
    assert answer.status.state == cri.SANDBOX_NOTREADY
    assert not answer.status.network.ip
    assert json.loads(answer.info["info"])["netNamespaceClosed"] is True


async def test_an_unknown_pod(node: Node) -> None:
    """A kubelet takes NOT_FOUND for "gone"."""
    code, text = await failure(node.client.PodSandboxStatus(pod_sandbox_id="nothing"))
    assert (code, "nothing" in text) == (grpc.StatusCode.NOT_FOUND, True)


async def test_a_container_that_cannot_be_said(node: Node) -> None:
    """It is reduced to its id, and the pod and its other containers are shown as they are."""
    config = pod_config()
    pod_id = (await node.client.RunPodSandbox(config=config)).pod_sandbox_id
    bad, good = [await node.kubelet.create(pod_id, config, attempt=attempt) for attempt in (0, 1)]
    await node.until_idle()
    node.service.containers.update(bad, lambda one: one.with_status(exit_code=1 << 40, reason="\ud800"))
    answer = await node.client.PodSandboxStatus(pod_sandbox_id=pod_id)
    assert {one.id: one.state for one in answer.containers_statuses} == {
        bad: cri.CONTAINER_UNKNOWN,
        good: cri.CONTAINER_CREATED,
    }


async def test_a_reason_of_any_text(node: Node) -> None:
    """What a runtime or another program wrote is made encodable and cut, wherever a status shows it."""
    config = pod_config()
    pod_id = (await node.client.RunPodSandbox(config=config)).pod_sandbox_id
    id_ = await node.kubelet.create(pod_id, config)
    await node.until_idle()
    node.service.containers.update(id_, lambda one: one.replace(unknown_reason="\ud800" + "word " * 600_000 + "end"))
    status = (await node.client.PodSandboxStatus(pod_sandbox_id=pod_id)).containers_statuses[0]
    assert len(status.message) < 4200
    assert status.message.endswith("word end")
    node.service.containers.update(id_, exited(1, 5, message="\udfff" * 3_000_000))
    status = (await node.client.ContainerStatus(container_id=id_)).status
    assert 0 < len(status.message) < 4200
