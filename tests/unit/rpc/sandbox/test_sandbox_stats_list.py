"""PodSandboxStats, ListPodSandboxStats, ListPodSandboxMetrics and their streams: pods as a whole."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from cri_shim.rpc import sandbox_metrics
from cri_shim.service import LARGE_ANSWERS_AT_ONCE
from lab.cri_client import failure
from lab.pod_configs import NODE, pod_config

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri
    from tests.unit.fake_node import Node

PINNED = {"sandbox": {"infra": "pinned"}}
CPU_NS, MEMORY = 5_000_000_000, 1 << 20


async def measured_pod(node: Node, cgroup_parent: str, **fields: Any) -> tuple[str, str]:
    """Run a pod with a container, whose cgroups have used something; return the ids of both."""
    config = pod_config(cgroup_parent=cgroup_parent, **fields)
    pod_id = (await node.client.RunPodSandbox(config=config)).pod_sandbox_id
    id_ = await node.kubelet.start(pod_id, config)
    await node.until_idle()
    for name, pid in (
        (pod_id, node.service.sandboxes.get(pod_id).pid),
        (id_, node.service.containers.get(id_).status.pid),
    ):
        if pid:
            node.cgroups.put(pid, f"{cgroup_parent or '/k8s.io'}/{name}", cpu_ns=CPU_NS, memory=MEMORY)
    return pod_id, id_


def labels(metrics: list[cri.Metric], name: str) -> list[list[str]]:
    """Return the labels of the metrics with a name."""
    return [list(each.label_values) for each in metrics if each.name == name]


async def test_a_pod_with_a_cgroup(node: Node) -> None:
    """The pod's own cgroup is measured, and its containers are below it with their processes."""
    pod_id, id_ = await measured_pod(node, "/kubepods/pod1")
    stats = (await node.client.PodSandboxStats(pod_sandbox_id=pod_id)).stats
    assert stats.attributes.id == pod_id
    assert stats.linux.cpu.usage_core_nano_seconds.value == CPU_NS
    assert stats.linux.memory.usage_bytes.value == MEMORY
    assert stats.linux.process.process_count.value == 1
    assert [each.attributes.id for each in stats.linux.containers] == [id_]
    assert (await node.client.ListPodSandboxStats()).stats == [stats]
    streamed = [message async for message in node.client.stream("StreamPodSandboxStats")]
    assert [each for message in streamed for each in message.pod_sandbox_stats] == [stats]


@pytest.mark.parametrize(("service", "parts"), [({}, 2), (PINNED, 1)], ids=["pause", "pinned"], indirect=["service"])
async def test_a_pod_without_a_cgroup(parts: int, node: Node) -> None:
    """Its use is the sum over its processes; there are no metrics of a cgroup that is shared."""
    pod_id, id_ = await measured_pod(node, "")
    (stats,) = (await node.client.ListPodSandboxStats()).stats
    assert stats.linux.memory.usage_bytes.value == parts * MEMORY
    (metrics,) = (await node.client.ListPodSandboxMetrics()).pod_metrics
    assert metrics.pod_sandbox_id == pod_id
    assert not labels(metrics.metrics, "container_memory_usage_bytes")
    (of_container,) = metrics.container_metrics
    assert of_container.container_id == id_
    assert labels(of_container.metrics, "container_memory_usage_bytes")


async def test_metrics(node: Node) -> None:
    """Both levels have them, with the pod's and the container's names as labels; the stream has the same."""
    pod_id, id_ = await measured_pod(node, "/kubepods/pod1")
    metadata = node.service.sandboxes.get(pod_id).config.metadata
    (of_pod,) = (await node.client.ListPodSandboxMetrics()).pod_metrics
    (whole,) = labels(of_pod.metrics, "container_memory_usage_bytes")
    assert {pod_id, metadata.name, metadata.namespace} <= set(whole)
    (part,) = labels(of_pod.container_metrics[0].metrics, "container_memory_usage_bytes")
    assert {id_, node.kubelet.image, "main", metadata.name, metadata.namespace} <= set(part)
    (message,) = [each async for each in node.client.stream("StreamPodSandboxMetrics")]
    (streamed,) = message.pod_sandbox_metrics
    assert {each.name for each in streamed.metrics} == {each.name for each in of_pod.metrics}


async def test_what_cannot_be_measured(node: Node) -> None:
    """A pod whose cgroups are not there is listed with what is known without them."""
    pod_id, config = await node.kubelet.run_pod()
    id_ = await node.kubelet.start(pod_id, config)
    (stats,) = (await node.client.ListPodSandboxStats()).stats
    assert not stats.linux.HasField("memory")
    assert [each.attributes.id for each in stats.linux.containers] == [id_]
    (metrics,) = (await node.client.ListPodSandboxMetrics()).pod_metrics
    assert metrics.pod_sandbox_id == pod_id
    assert labels(metrics.container_metrics[0].metrics, "container_start_time_seconds")


async def test_a_pod_that_is_not_ready(node: Node) -> None:
    """It is in no list, and a client that asks for it learns why."""
    pod_id, _ = await measured_pod(node, "", network=NODE)
    assert len((await node.client.ListPodSandboxStats(filter={"id": pod_id[:8]})).stats) == 1
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    assert not (await node.client.ListPodSandboxStats()).stats
    assert not (await node.client.ListPodSandboxMetrics()).pod_metrics
    code, text = await failure(node.client.PodSandboxStats(pod_sandbox_id=pod_id))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert text.startswith(f"sandbox {pod_id} is not running, so it has no statistics")
    assert (await failure(node.client.PodSandboxStats(pod_sandbox_id="nothing")))[0] == grpc.StatusCode.NOT_FOUND


async def test_many_who_want_all_metrics_are_answered_in_turn(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half-made answers take ten times the memory of one that waits to be sent."""
    at_once: list[int] = []
    made = 0
    add_metrics = sandbox_metrics.add_metrics

    async def counted(*arguments: Any) -> None:
        nonlocal made
        made += 1
        at_once.append(made)
        await asyncio.sleep(0)
        await add_metrics(*arguments)
        made -= 1

    await node.kubelet.run_pod()
    monkeypatch.setattr(sandbox_metrics, "add_metrics", counted)
    answers = await asyncio.gather(*(node.client.ListPodSandboxMetrics() for _ in range(20)))
    assert [len(answer.pod_metrics) for answer in answers] == [1] * 20
    assert max(at_once) == LARGE_ANSWERS_AT_ONCE
