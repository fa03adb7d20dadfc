"""Requests that are wrong: each gets a status code, and a sentence that names what is wrong."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.patience import patient
from lab.pod_configs import container_config, pod_config, sh

if TYPE_CHECKING:
    from lab.pods import Pod

NOT_FOUND, INVALID = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION, UNKNOWN = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNKNOWN
NOWHERE = "f" * 64


@pytest.mark.parametrize("id_", [NOWHERE, "nonsense", "../../etc"])
@pytest.mark.parametrize("rpc", ["PodSandboxStatus", "ContainerStatus", "StartContainer"])
async def test_an_unknown_id_is_not_found(node, client, rpc, id_):
    """An unknown id is NOT_FOUND, and the error names it."""
    field = "pod_sandbox_id" if "Sandbox" in rpc else "container_id"
    code, message = await failure(getattr(client, rpc)(**{field: id_}))
    assert code == NOT_FOUND
    # The plugin of 1.6 says which pod it means only in its own log.
    assert id_ in message or node.kind == "plugin"


@pytest.mark.parametrize("rpc", ["PodSandboxStatus", "ContainerStatus", "StartContainer", "ExecSync"])
async def test_an_empty_id_is_refused(node, client, rpc):
    """An empty id is refused, whatever else there is."""
    field = "pod_sandbox_id" if "Sandbox" in rpc else "container_id"
    code, _ = await failure(getattr(client, rpc)(**{field: ""}))
    assert code == node.code(INVALID, plugin=UNKNOWN)


async def test_a_prefix_of_two_ids_is_refused(node, client):
    """A prefix that fits more than one pod is an error, not a choice."""
    pods: list[Pod] = []
    firsts: set[str] = set()
    while len(pods) == len(firsts):
        pods.append(await node.run(network=cri.NODE))
        firsts = {pod.id[0] for pod in pods}
    await failure(client.PodSandboxStatus(pod_sandbox_id=pods[-1].id[0]))


async def test_a_pod_needs_a_config_and_metadata(node, client):
    """RunPodSandbox without a config, without metadata, and without a name or uid is refused."""
    right = node.code(INVALID, plugin=UNKNOWN)
    code, message = await failure(client.RunPodSandbox(config={"hostname": "no-metadata"}))
    assert code == right
    assert "metadata" in message


@pytest.mark.plugin_differs("the plugin takes any metadata that is not missing altogether")
@pytest.mark.parametrize("missing", ["name", "namespace", "uid"])
async def test_a_pod_needs_name_namespace_and_uid(client, missing):
    """RunPodSandbox names the field of the metadata that is empty."""
    config = pod_config()
    setattr(config.metadata, missing, "")
    pod = None
    try:
        code, message = await failure(client.RunPodSandbox(config=config))
    finally:
        for item in (await client.ListPodSandbox()).items:
            if not getattr(item.metadata, missing):
                pod = item.id
                await client.RemovePodSandbox(pod_sandbox_id=item.id)
    assert pod is None
    assert code == INVALID
    assert missing in message


async def test_an_unknown_runtime_handler_is_refused(client):
    """RunPodSandbox names the runtime handler that is not configured, and leaves no pod."""
    config = pod_config()
    _, message = await failure(client.RunPodSandbox(config=config, runtime_handler="no-such-handler"))
    assert "no-such-handler" in message
    names = {item.metadata.name for item in (await client.ListPodSandbox()).items}
    assert config.metadata.name not in names


async def test_a_failed_pod_leaves_its_name_free(client, node):
    """After a RunPodSandbox that failed the same metadata can be used at once."""
    config = pod_config(cgroup_parent=node.cgroup_parent)
    await failure(client.RunPodSandbox(config=config, runtime_handler="no-such-handler"))
    await node.run(name=config.metadata.name, uid=config.metadata.uid, namespace=config.metadata.namespace)


async def test_a_container_needs_metadata(node, pod, client):
    """CreateContainer without metadata is refused, and so it is with an empty name."""
    config = container_config(pod.image)
    config.ClearField("metadata")
    call = client.CreateContainer(pod_sandbox_id=pod.id, config=config, sandbox_config=pod.config)
    code, message = await failure(call)
    assert code == node.code(INVALID, plugin=UNKNOWN)
    assert "metadata" in message


async def test_a_container_needs_a_pod(node, client):
    """CreateContainer in a pod that is not there is NOT_FOUND, and named."""
    call = client.CreateContainer(
        pod_sandbox_id=NOWHERE, config=container_config(node.image), sandbox_config=pod_config()
    )
    code, message = await failure(call)
    assert code == node.code(NOT_FOUND, plugin=NOT_FOUND)
    assert NOWHERE in message


@pytest.mark.plugin_differs("2.x creates a container in a stopped pod", since="2.0")
async def test_a_container_needs_a_running_pod(node):
    """CreateContainer in a stopped pod is refused."""
    pod = await node.run()
    await pod.stop()
    code, message = await failure(pod.create())
    assert code == node.code(PRECONDITION, plugin=NOT_FOUND)
    assert pod.id in message or "not running" in message


async def test_a_created_container_does_not_start_in_a_stopped_pod(node):
    """StartContainer in a pod that was stopped meanwhile is refused."""
    pod = await node.run()
    container = await pod.create()
    await pod.stop()
    code, _ = await failure(container.start())
    assert code == node.code(PRECONDITION, plugin=UNKNOWN)


async def test_an_image_that_is_not_there(node, pod):
    """CreateContainer does not pull: an image that is not on the node is NOT_FOUND, and named."""
    code, message = await failure(pod.create(image="not/pulled:1"))
    assert code == node.code(NOT_FOUND, plugin=NOT_FOUND)
    assert "not/pulled:1" in message


async def test_starting_twice_is_refused(node, pod):
    """StartContainer of a running or an exited container is refused, and the container is as it was."""
    container = await pod.start()
    code, message = await failure(container.start())
    assert code == node.code(PRECONDITION, plugin=UNKNOWN)
    assert "RUNNING" in message.upper()
    assert (await container.status()).state == cri.CONTAINER_RUNNING
    exited = await pod.start(command=sh("exit 0"))
    await exited.ended()
    code, message = await failure(exited.start())
    assert code == node.code(PRECONDITION, plugin=UNKNOWN)
    assert "EXITED" in message.upper()


async def test_a_target_that_is_not_there(pod):
    """A container that shares the processes of one that is not there is refused."""
    _, message = await failure(pod.create(pid=cri.TARGET, target_id=NOWHERE))
    assert NOWHERE in message


async def test_a_target_that_has_ended(node, pod):
    """A container that shares the processes of one that has ended is refused."""
    ended = await pod.start(command=sh("exit 0"))
    await ended.ended()
    await failure(pod.start(pid=cri.TARGET, target_id=ended.id))


async def test_a_pod_with_a_bad_sysctl_fails_whole(node, client):
    """A sysctl that does not exist fails the pod, which is then not listed."""
    config = pod_config(cgroup_parent=node.cgroup_parent, sysctls={"net.no_such.sysctl": "1"})
    _, message = await failure(client.RunPodSandbox(config=config))
    assert "sysctl" in message
    assert config.metadata.name not in {item.metadata.name for item in (await client.ListPodSandbox()).items}


async def test_a_caller_that_hangs_up_gets_nothing_half_done(node, client):
    """A RunPodSandbox whose caller gave up either becomes a whole pod or none; it can be removed, or run again."""
    config = pod_config(cgroup_parent=node.cgroup_parent, labels={"hung": "up"})
    code, _ = await failure(client.RunPodSandbox(config=config, _deadline=0.03))
    # Who notices first, the client or the server, decides which of the two it is.
    assert code in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
    deadline = time.monotonic() + patient(10)
    while True:
        # As the kubelet does: look for what is left, remove it, and only then count on the name.
        for item in (await client.ListPodSandbox(filter={"label_selector": {"hung": "up"}})).items:
            await client.StopPodSandbox(pod_sandbox_id=item.id)
            await client.RemovePodSandbox(pod_sandbox_id=item.id)
        try:
            await node.run(name=config.metadata.name, uid=config.metadata.uid, namespace=config.metadata.namespace)
            return
        except grpc.aio.AioRpcError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
