"""ContainerStatus: from memory, with the names of the image, and the record on request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from tests.fakes.containerd import FaultKind

if TYPE_CHECKING:
    from tests.unit.fake_node import Node


async def test_a_running_container(node: Node) -> None:
    """It costs no hop, and the image is told by its tag and its id."""
    id_ = await node.running()
    seen = len(node.fake.calls)
    status = (await node.client.ContainerStatus(container_id=id_[:12])).status
    assert not node.asked(since=seen)
    assert (status.id, status.state) == (id_, cri.CONTAINER_RUNNING)
    assert status.image.image == node.kubelet.image
    assert status.image_id.startswith("sha256:")
    assert status.log_path == str(node.kubelet.logs / "main/0.log")
    assert not status.reason


async def test_an_image_that_is_gone(node: Node) -> None:
    """The container still has the image's id, and the name that it was asked for by."""
    id_ = await node.running()
    image_id = (await node.client.ContainerStatus(container_id=id_)).status.image_id
    await node.client.RemoveImage(image={"image": node.kubelet.image})
    status = (await node.client.ContainerStatus(container_id=id_)).status
    assert (status.image.image, status.image_ref, status.image_id) == (node.kubelet.image, image_id, image_id)


async def test_the_verbose_form(node: Node) -> None:
    """It has the runtime spec; without containerd it has what is in memory, and why the rest is missing."""
    id_ = await node.running()
    info = json.loads((await node.client.ContainerStatus(container_id=id_, verbose=True)).info["info"])
    assert info["sandboxID"] == node.service.containers.get(id_).sandbox_id
    assert info["pid"] == node.fake.task(id_).init.pid
    assert info["snapshotKey"] == id_
    assert info["runtimeSpec"]["process"]["args"] == ["sleep", "3600"]
    assert info["runtimeOptions"] == {}
    node.fake.faults.add("Containers/Get", FaultKind.UNKNOWN, text="the database is locked")
    info = json.loads((await node.client.ContainerStatus(container_id=id_, verbose=True)).info["info"])
    assert "runtimeSpec" not in info
    assert any("the database is locked" in str(value) for value in info.values())


async def test_an_unknown_container(node: Node) -> None:
    """A kubelet takes NOT_FOUND for "gone"."""
    code, text = await failure(node.client.ContainerStatus(container_id="nothing"))
    assert (code, "nothing" in text) == (grpc.StatusCode.NOT_FOUND, True)
