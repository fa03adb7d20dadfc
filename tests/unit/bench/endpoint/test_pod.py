"""The life of a pod, against a runtime that takes nothing but what a kubelet does."""

from __future__ import annotations

from pathlib import Path

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.clients.client import Client
from cri_shim.bench.clients.grpc_caller import GrpcCaller
from cri_shim.bench.endpoint.node import Node, Samples
from cri_shim.bench.endpoint.pod import END, START, Pod, remove_all
from cri_shim.bench.endpoint.pod_configs import NAMESPACE, Place
from tests.unit.bench.fake_runtime import IMAGE, IMAGE_ID


@pytest.fixture
async def node(runtime, tmp_path):
    async with Client(runtime.endpoint, GrpcCaller(runtime.endpoint)) as client:
        made = Node("fake", client, Place(IMAGE, tmp_path / "logs", "/parent", runtime_handler="kata"))
        await made.have_image()
        yield made


async def test_a_pod_starts_and_ends_in_a_kubelets_order(runtime, node):
    """Each RPC once, the container stopped before its pod; its log directory is there while it lives and gone after."""
    pod = Pod.of(node, "one")
    runtime.seen.clear()
    await pod.start(Samples())
    folder = Path(pod.config.log_directory)
    assert (folder / "main").stat().st_mode & 0o777 == 0o755
    assert folder.name == f"{NAMESPACE}_one_{pod.config.metadata.uid}"
    await pod.end(Samples())
    assert runtime.called == [*START, *END]
    assert not folder.exists()


async def test_a_container_is_asked_for_by_its_images_id_and_name(runtime, node):
    """A kubelet sends the id that the runtime gave it, and beside it what the user wrote."""
    await Pod.of(node, "one").start(Samples())
    (container,) = runtime.containers.values()
    assert container.image == cri.ImageSpec(image=IMAGE_ID, user_specified_image=IMAGE)


async def test_the_runtime_handler_is_asked_for(runtime, node):
    """That of the command line is in the request."""
    await Pod.of(node, "one").start(Samples())
    (request,) = [request for rpc, request in runtime.seen if rpc == "RunPodSandbox"]
    assert request.runtime_handler == "kata"


async def test_left_overs_are_stopped_before_they_are_removed(runtime, node):
    """A pod with two running containers goes, with its logs; a pod of another namespace stays as it is."""
    pod = Pod.of(node, "left")
    await pod.start(Samples())
    await Pod(node, pod.config, pod.container, pod.id).start_container(Samples())
    other = cri.PodSandbox(id="theirs", metadata=cri.PodSandboxMetadata(namespace="default"))
    runtime.pods["theirs"] = other
    await remove_all(node)
    assert runtime.pods == {"theirs": other}
    assert not runtime.containers
    assert not Path(pod.config.log_directory).exists()
