"""A record of a request has the names of its pod and container, whatever the client sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest

if TYPE_CHECKING:
    from cri_shim.ledger.known_names import ObjectNames
    from tests.unit.fake_node import Node


def names(node: Node, method: str) -> ObjectNames | None:
    """The names of the newest request of a method."""
    node.service.ledger.catch_up()
    return node.service.ledger.newest_of(method)[-1].names


async def pull(node: Node, **fields: Any) -> None:
    """Ask for an image by a reference that none has, so that no registry is asked."""
    with pytest.raises(grpc.aio.AioRpcError):
        await node.client.PullImage(image={"image": "Not/A/Reference"}, **fields)


async def test_every_request_of_a_pods_life_is_named(node: Node):
    """From the start to what comes after the removal; the ids are full, also where the client sent less."""
    pod_id, config, container_id = await node.kubelet.running_container()
    metadata = config.metadata
    await pull(node, sandbox_config=config)
    await node.client.ContainerStatus(container_id=container_id[:9])
    await node.client.StopContainer(container_id=container_id)
    await node.client.RemoveContainer(container_id=container_id)
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    await node.client.RemovePodSandbox(pod_sandbox_id=pod_id)
    with pytest.raises(grpc.aio.AioRpcError):
        await node.client.StartContainer(container_id=container_id)
    for method in ("RunPodSandbox", "PullImage", "StopPodSandbox", "RemovePodSandbox"):
        named = names(node, method)
        assert named is not None, method
        assert (named.pod_id, named.namespace, named.pod) == (pod_id, metadata.namespace, metadata.name), method
        assert named.container_id == "", method
    for method in ("CreateContainer", "StartContainer", "ContainerStatus", "StopContainer", "RemoveContainer"):
        named = names(node, method)
        assert named is not None, method
        assert (named.pod_id, named.pod) == (pod_id, metadata.name), method
        assert (named.container_id, named.container) == (container_id, "main"), method
        assert named.life.finished_at, "what became of it is known to all of its requests"


async def test_an_image_that_is_pulled_for_no_pod_belongs_to_none(node: Node):
    """A client such as crictl sends no pod's configuration, and a pod's that does not exist is not taken for one."""
    await pull(node)
    assert names(node, "PullImage") is None
    await pull(node, sandbox_config=node.kubelet.pod_config())
    assert names(node, "PullImage") is None


async def test_what_cannot_be_made_is_named(node: Node):
    """A pod that does not start has a name and no id, and so has a container that cannot be created."""
    config = node.kubelet.pod_config()
    with pytest.raises(grpc.aio.AioRpcError):
        await node.client.RunPodSandbox(config=config, runtime_handler="there-is-none")
    named = names(node, "RunPodSandbox")
    assert named is not None
    assert (named.pod_id, named.namespace, named.pod) == ("", config.metadata.namespace, config.metadata.name)
    pod_id, config = await node.kubelet.run_pod()
    broken = node.kubelet.container_config()
    broken.image.image = "registry.test/there-is-none:1"
    with pytest.raises(grpc.aio.AioRpcError):
        await node.client.CreateContainer(pod_sandbox_id=pod_id, config=broken, sandbox_config=config)
    named = names(node, "CreateContainer")
    assert named is not None
    assert (named.pod_id, named.container_id, named.container) == (pod_id, "", broken.metadata.name)
