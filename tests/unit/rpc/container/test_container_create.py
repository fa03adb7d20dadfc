"""CreateContainer: the order of its steps, what is undone when one fails, and what it refuses."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.sync import exits
from lab.cri_client import failure
from tests.fakes.containerd import FaultKind
from tests.fakes.service import until_ready
from tests.unit.waiting import until

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

STEPS = ("Snapshots/Prepare", "Containers/Create")


async def wanted(node: Node) -> dict[str, Any]:
    """Run a pod; return a request for a container in it."""
    pod_id, config = await node.kubelet.run_pod()
    await node.until_idle()
    return {"pod_sandbox_id": pod_id, "config": node.kubelet.container_config(), "sandbox_config": config}


async def test_a_container_that_is_created(node: Node) -> None:
    """It is listed as created, with the image's id, and logs below its pod's directory."""
    fields = await wanted(node)
    id_ = (await node.client.CreateContainer(**fields)).container_id
    (entry,) = (await node.client.ListContainers()).containers
    assert (entry.id, entry.state) == (id_, cri.CONTAINER_CREATED)
    assert entry.pod_sandbox_id == fields["pod_sandbox_id"]
    container = node.service.containers.get(id_)
    assert container.config == fields["config"]
    assert container.log_path == str(node.kubelet.logs / "main/0.log")


async def test_the_snapshot_is_made_beside_the_record(node: Node) -> None:
    """A slow snapshotter holds up the answer and not the record."""
    fields = await wanted(node)
    seen = len(node.fake.called("Containers/Create"))
    node.fake.faults.add("Snapshots/Prepare", FaultKind.HANG)
    creating = asyncio.create_task(node.client.CreateContainer(**fields))
    await until(lambda: node.fake.faults.hanging and len(node.fake.called("Containers/Create")) > seen)
    assert not creating.done()
    node.fake.faults.clear()
    await creating


@pytest.mark.parametrize("method", STEPS)
async def test_undo_and_retry_after_a_step_that_fails(method: str, node: Node) -> None:
    """The client gets containerd's words, nothing is left, and the same request succeeds afterwards."""
    fields = await wanted(node)
    before = node.there()
    node.fake.faults.add(method, FaultKind.UNKNOWN, text="the disk is on fire")
    code, text = await failure(node.client.CreateContainer(**fields))
    assert code == grpc.StatusCode.UNKNOWN
    assert "the disk is on fire" in text
    assert method in text
    assert not node.changed(before)
    node.fake.faults.add(method, FaultKind.ANSWER_LOST)
    id_ = (await node.client.CreateContainer(**fields)).container_id
    assert await node.kubelet.states() == {id_: cri.CONTAINER_CREATED}


@pytest.mark.parametrize("method", STEPS)
async def test_hang_up_at_a_step(method: str, node: Node) -> None:
    """The container is made all the same, and a client that asks again gets it."""
    fields = await wanted(node)
    node.fake.faults.add(method, FaultKind.HANG)
    creating = asyncio.create_task(node.client.CreateContainer(**fields))
    await until(lambda: node.fake.faults.hanging)
    creating.cancel()
    await asyncio.wait([creating])
    again = asyncio.create_task(node.client.CreateContainer(**fields))
    node.fake.faults.clear()
    id_ = (await again).container_id
    assert await node.kubelet.states() == {id_: cri.CONTAINER_CREATED}


async def test_an_undo_that_fails_before_a_reconnection(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """No end is invented for it at the reconnection, which would fail a pod that must not be restarted."""
    monkeypatch.setattr(exits, "LATE_EXIT_SECONDS", 0.01)
    fields = await wanted(node)
    before = node.there()
    node.fake.faults.add("Containers/Create", FaultKind.ANSWER_LOST)
    node.fake.faults.add("Containers/Get", FaultKind.UNKNOWN, times=None)
    node.fake.faults.add("Containers/Delete", FaultKind.UNKNOWN, times=None)
    await failure(node.client.CreateContainer(**fields))
    node.fake.faults.clear()
    await node.fake.go_away()
    await until(lambda: not node.service.readiness.ready)
    await node.fake.come_back()
    await until_ready(node.service)
    await asyncio.sleep(0.1)
    (id_,) = await node.kubelet.states()
    assert (await node.kubelet.states())[id_] == cri.CONTAINER_UNKNOWN
    await node.client.RemoveContainer(container_id=id_)
    assert not node.changed(before)


async def test_an_undo_that_fails(node: Node) -> None:
    """What cannot be undone is listed in an unknown state, so that a kubelet removes it."""
    fields = await wanted(node)
    before = node.there()
    node.fake.faults.add("Snapshots/Prepare", FaultKind.UNKNOWN)
    node.fake.faults.add("Containers/Delete", FaultKind.UNKNOWN, text="the database is locked", times=None)
    await failure(node.client.CreateContainer(**fields))
    (id_,) = await node.kubelet.states()
    status = (await node.client.ContainerStatus(container_id=id_)).status
    assert status.state == cri.CONTAINER_UNKNOWN
    assert status.reason == "Unknown"
    assert "the database is locked" in status.message
    code, _ = await failure(node.client.CreateContainer(**fields))
    assert code == grpc.StatusCode.ALREADY_EXISTS
    node.fake.faults.clear()
    await node.client.RemoveContainer(container_id=id_)
    assert not node.changed(before)


async def test_the_same_request_gets_the_same_container(node: Node) -> None:
    """Only while it has not been started; with another configuration the name is taken."""
    fields = await wanted(node)
    id_ = (await node.client.CreateContainer(**fields)).container_id
    assert (await node.client.CreateContainer(**fields)).container_id == id_
    other = {**fields, "config": node.kubelet.container_config()}
    other["config"].labels["a"] = "b"
    assert (await failure(node.client.CreateContainer(**other)))[0] == grpc.StatusCode.ALREADY_EXISTS
    await node.client.StartContainer(container_id=id_)
    code, text = await failure(node.client.CreateContainer(**fields))
    assert code == grpc.StatusCode.ALREADY_EXISTS
    assert id_ in text


async def test_what_is_refused(node: Node) -> None:
    """Each refusal says what is missing, and none of them makes anything."""
    fields = await wanted(node)
    nameless, imageless, absent, archive = (node.kubelet.container_config() for _ in range(4))
    nameless.metadata.name = ""
    imageless.image.image = ""
    absent.image.image = "registry.test/other:1"
    archive.image.image = str(node.fake.socket_path)
    refused: list[tuple[dict[str, Any], str, str]] = [
        ({"config": nameless}, "INVALID_ARGUMENT", "needs metadata with a name"),
        ({"sandbox_config": cri.PodSandboxConfig()}, "INVALID_ARGUMENT", "needs the sandbox_config of its pod"),
        ({"pod_sandbox_id": "nothing"}, "NOT_FOUND", "nothing"),
        ({"config": imageless}, "INVALID_ARGUMENT", "container 'main' names no image"),
        ({"config": absent}, "NOT_FOUND", "'registry.test/other:1' is not here; pull it first"),
        ({"config": archive}, "UNIMPLEMENTED", "does not restore them"),
    ]
    made = len(node.fake.called("Containers/Create"))
    for change, expected, words in refused:
        status, text = await failure(node.client.CreateContainer(**{**fields, **change}))
        assert (status.name, words in text) == (expected, True), text
    assert len(node.fake.called("Containers/Create")) == made


async def test_a_pod_that_is_stopped_takes_no_container(node: Node) -> None:
    """The refusal says that the pod is not ready."""
    fields = await wanted(node)
    await node.client.StopPodSandbox(pod_sandbox_id=fields["pod_sandbox_id"])
    code, text = await failure(node.client.CreateContainer(**fields))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text.endswith("a container needs a running pod")


@pytest.mark.parametrize(
    ("asked", "image", "kept"),
    [(cri.SIGUSR1, "SIGINT", "SIGUSR1"), (0, "SIGINT", "SIGINT"), (0, "SIGNONSENSE", ""), (0, "", "")],
    ids=["asked for", "of the image", "no signal", "neither"],
)
async def test_the_stop_signal(asked: cri.Signal.ValueType, image: str, kept: str, node: Node) -> None:
    """The request comes before the image, and an image with a signal that does not exist can be run all the same."""
    node.fake.add_image("registry.test/signal:1", config={"StopSignal": image})
    fields = await wanted(node)
    fields["config"].image.image = "registry.test/signal:1"
    fields["config"].stop_signal = asked
    id_ = (await node.kubelet.client.CreateContainer(**fields)).container_id
    assert node.service.containers.get(id_).stop_signal == kept


async def test_a_container_without_a_log(node: Node) -> None:
    """Where the pod has no log directory, output goes nowhere."""
    fields = await wanted(node)
    fields["sandbox_config"].log_directory = ""
    id_ = (await node.client.CreateContainer(**fields)).container_id
    assert node.service.containers.get(id_).log_path == ""


async def test_a_volume_of_the_image(node: Node) -> None:
    """The container gets a directory of its own, which is mounted where the image says."""
    node.fake.add_image("registry.test/volume:1", config={"Volumes": {"/data": {}}})
    fields = await wanted(node)
    fields["config"].image.image = "registry.test/volume:1"
    id_ = (await node.client.CreateContainer(**fields)).container_id
    (directory,) = (node.service.paths.container_root(id_) / "volumes").iterdir()
    mounts = json.loads(node.fake.state["k8s.io"].containers[id_].spec.value)["mounts"]
    assert [each["source"] for each in mounts if each["destination"] == "/data"] == [str(directory)]
