"""RunPodSandbox, StopPodSandbox, RemovePodSandbox, PodSandboxStatus."""

from __future__ import annotations

import json
import time

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.pods import Pod

UNKNOWN_ID = "0" * 64


@pytest.mark.proves(
    "RuntimeService.RunPodSandbox",
    "RuntimeService.PodSandboxStatus",
    "PodSandboxConfig.metadata",
    "PodSandboxConfig.labels",
    "PodSandboxConfig.annotations",
    "PodSandboxMetadata.name",
    "PodSandboxMetadata.uid",
    "PodSandboxMetadata.namespace",
    "PodSandboxMetadata.attempt",
)
async def test_a_pod_is_ready_and_shows_what_it_was_given(node):
    """A pod that runs is READY, with its metadata, labels, annotations and a creation time of now."""
    before = time.time_ns()
    pod = await node.run(name="tells", labels={"app": "web"}, annotations={"note": "kept as it is"}, attempt=3)
    status = await pod.status()
    assert status.state == cri.SANDBOX_READY
    assert status.metadata == pod.config.metadata
    assert status.metadata.attempt == 3
    assert dict(status.labels) == {"app": "web"}
    assert dict(status.annotations) == {"note": "kept as it is"}
    assert before - 10**9 <= status.created_at <= time.time_ns()
    assert status.linux.namespaces.options == pod.config.linux.security_context.namespace_options
    assert len(pod.id) == 64
    assert set(pod.id) <= set("0123456789abcdef")


@pytest.mark.proves("RuntimeService.StopPodSandbox")
async def test_a_stopped_pod_is_not_ready_and_can_be_stopped_again(node):
    """After StopPodSandbox the pod is NOTREADY without an address; stopping it again succeeds."""
    pod = await node.run()
    assert await pod.ip()
    await pod.stop()
    status = await pod.status()
    assert status.state == cri.SANDBOX_NOTREADY
    assert not status.network.ip
    await pod.stop()


async def test_stopping_a_pod_stops_its_containers(node):
    """StopPodSandbox ends the pod's containers, which stay listed as exited."""
    pod = await node.run()
    container = await pod.start()
    await pod.stop()
    assert (await container.ended()).exit_code in {0, 137, 143}


@pytest.mark.proves("RuntimeService.RemovePodSandbox")
async def test_a_removed_pod_is_gone_with_its_containers(node, client):
    """After RemovePodSandbox neither the pod nor its containers are known."""
    pod = await node.run()
    container = await pod.start()
    await pod.stop()
    await client.RemovePodSandbox(pod_sandbox_id=pod.id)
    assert (await failure(pod.status()))[0] == grpc.StatusCode.NOT_FOUND
    assert (await failure(container.status()))[0] == grpc.StatusCode.NOT_FOUND
    assert not (await client.ListContainers(filter={"pod_sandbox_id": pod.id})).containers
    await client.RemovePodSandbox(pod_sandbox_id=pod.id)


async def test_a_running_pod_can_be_removed_at_once(node, client):
    """RemovePodSandbox stops a pod that still runs, with a container in it."""
    pod = await node.run()
    await pod.start()
    await client.RemovePodSandbox(pod_sandbox_id=pod.id)
    assert not (await client.ListPodSandbox(filter={"id": pod.id})).items


@pytest.mark.plugin_differs("1.6 answers NotFound where the CRI wants stopping an unknown pod to succeed", before="1.7")
async def test_stopping_an_unknown_pod_succeeds(client):
    """StopPodSandbox of an unknown id succeeds."""
    await client.StopPodSandbox(pod_sandbox_id=UNKNOWN_ID)


async def test_removing_an_unknown_pod_succeeds(client):
    """RemovePodSandbox of an unknown id succeeds."""
    await client.RemovePodSandbox(pod_sandbox_id=UNKNOWN_ID)


async def test_the_same_metadata_never_makes_two_pods(node, client):
    """A second RunPodSandbox with the same metadata gives the same pod or an error, never a second pod."""
    pod = await node.run(name="twice", labels={"test": "twice"})
    try:
        again = (await client.RunPodSandbox(config=pod.config)).pod_sandbox_id
    except grpc.aio.AioRpcError as error:
        assert node.kind != "bridge", "the bridge gives a retried request the finished pod"
        assert "twice" in (error.details() or "")
    else:
        assert again == pod.id
    items = (await client.ListPodSandbox(filter={"label_selector": {"test": "twice"}})).items
    assert [item.id for item in items] == [pod.id]


async def test_a_name_is_free_again_after_removal(node, client):
    """The metadata of a removed pod can be used for a new one, which has another id."""
    pod = await node.run(name="again")
    await pod.remove()
    new = await Pod.run(client, node.image, name="again", uid=pod.config.metadata.uid, cgroup_parent=node.cgroup_parent)
    node.pods.append(new)
    assert new.id != pod.id


async def test_another_attempt_is_another_pod(node):
    """The same name and uid with the next attempt is another pod beside the first."""
    pod = await node.run(name="attempts")
    second = await node.run(name="attempts", uid=pod.config.metadata.uid, attempt=1)
    assert second.id != pod.id


async def test_an_id_may_be_cut_short(node, client):
    """A unique prefix of an id is taken for the id."""
    pod = await node.run()
    status = (await client.PodSandboxStatus(pod_sandbox_id=pod.id[:13])).status
    assert status.id == pod.id
    await client.StopPodSandbox(pod_sandbox_id=pod.id[:13])


@pytest.mark.pause_process
async def test_verbose_status_has_the_process(node, client):
    """Verbose info holds a JSON document with the pid of the sandbox process, brief status holds none."""
    pod = await node.run()
    assert not (await client.PodSandboxStatus(pod_sandbox_id=pod.id)).info
    info = json.loads((await client.PodSandboxStatus(pod_sandbox_id=pod.id, verbose=True)).info["info"])
    assert info["pid"] > 1
    assert info["runtimeSpec"]["annotations"]["io.kubernetes.cri.sandbox-id"] == pod.id
    assert info["runtimeSpec"]["annotations"]["io.kubernetes.cri.container-type"] == "sandbox"
    assert info["config"]["metadata"]["name"] == pod.config.metadata.name
    assert info["image"]


async def test_the_runtime_handler_is_kept(node, client):
    """The runtime handler that a pod was run with is in its status and in the list."""
    pod = await node.run(handler="runc")
    assert (await pod.status()).runtime_handler == "runc"
    assert (await client.ListPodSandbox(filter={"id": pod.id})).items[0].runtime_handler == "runc"
