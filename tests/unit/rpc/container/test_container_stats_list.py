"""ContainerStats, ListContainerStats and StreamContainerStats: what is used, and what could not be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from lab.cri_client import failure
from lab.pod_configs import container_config
from tests.fakes.containerd import FaultKind

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

CPU_NS, MEMORY = 5_000_000_000, 1 << 20


def use(node: Node, id_: str) -> None:
    """Have the container be in a cgroup that has used something."""
    pid = node.service.containers.get(id_).status.pid
    node.cgroups.put(pid, f"/pod/{id_}", cpu_ns=CPU_NS, memory=MEMORY)


async def test_a_running_container(node: Node) -> None:
    """All three RPCs tell the same: processor, memory and its own layer."""
    id_ = await node.running()
    use(node, id_)
    stats = (await node.client.ContainerStats(container_id=id_)).stats
    assert stats.attributes.id == id_
    assert stats.attributes.metadata.name == "main"
    assert stats.cpu.usage_core_nano_seconds.value == CPU_NS
    assert stats.memory.usage_bytes.value == MEMORY
    assert stats.memory.working_set_bytes.value == MEMORY
    assert stats.writable_layer.fs_id.mountpoint
    assert (await node.client.ListContainerStats()).stats == [stats]
    streamed = [message async for message in node.client.stream("StreamContainerStats")]
    assert [each for message in streamed for each in message.container_stats] == [stats]


async def test_a_container_that_does_not_run(node: Node) -> None:
    """It has its own layer and nothing else."""
    id_ = await node.kubelet.create(*await node.kubelet.run_pod())
    (stats,) = (await node.client.ListContainerStats()).stats
    assert stats.attributes.id == id_
    assert not stats.HasField("cpu")
    assert stats.HasField("writable_layer")


async def test_what_cannot_be_measured(node: Node) -> None:
    """It is left out and is not 0; the container is listed all the same."""
    id_ = await node.running()
    node.fake.faults.add("Snapshots/Usage", FaultKind.UNKNOWN, times=None)
    node.fake.faults.add("Snapshots/Mounts", FaultKind.UNKNOWN, times=None)
    (stats,) = (await node.client.ListContainerStats()).stats
    assert stats.attributes.id == id_
    assert not stats.HasField("cpu")
    assert not stats.HasField("writable_layer")


async def test_a_pod_or_a_handler_that_has_gone(node: Node) -> None:
    """The layer is looked for where those of all other containers are."""
    id_ = await node.running()
    pod_id = node.service.containers.get(id_).sandbox_id
    node.service.sandboxes.update(pod_id, lambda sandbox: sandbox.replace(runtime_handler="removed"))
    (stats,) = (await node.client.ListContainerStats()).stats
    assert stats.HasField("writable_layer")
    node.service.containers.update(id_, lambda container: container.replace(sandbox_id=""))
    (stats,) = (await node.client.ListContainerStats()).stats
    assert stats.HasField("writable_layer")


async def test_one_that_cannot_be_sent(node: Node) -> None:
    """A text that has no place in a message costs one container its entry, and no other one."""
    pod_id, config, first = await node.kubelet.running_container()
    request = {"pod_sandbox_id": pod_id, "config": container_config(node.kubelet.image, "other")}
    second = (await node.client.CreateContainer(**request, sandbox_config=config)).container_id
    whole = node.service.containers.get(first)
    node.service.containers.update(first, lambda _: whole.replace(id="\ud800"))  # has no UTF-8 form
    assert [each.attributes.id for each in (await node.client.ListContainerStats()).stats] == [second]
    node.service.containers.update(first, lambda _: whole)


async def test_an_unknown_container(node: Node) -> None:
    """The client is told so."""
    assert (await failure(node.client.ContainerStats(container_id="nothing")))[0] == grpc.StatusCode.NOT_FOUND
