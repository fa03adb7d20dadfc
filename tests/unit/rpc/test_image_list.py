"""What is said of images: lists, one by its name or id, and the file system that holds them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import grpc

from lab.cri_client import failure
from tests.fakes.containerd import FaultKind
from tests.fakes.service import PAUSE

if TYPE_CHECKING:
    from tests.unit.fake_node import Node


async def test_a_list_and_a_filter(node: Node) -> None:
    """An image that came without an event is found when it is named; the sandbox image is pinned."""
    (pause,) = (await node.client.ListImages()).images
    assert list(pause.repo_tags) == [PAUSE]
    assert pause.pinned
    named = {"image": {"image": node.kubelet.image}}
    (app,) = (await node.client.ListImages(filter=named)).images
    assert list(app.repo_tags) == [node.kubelet.image]
    assert app.size > 0
    assert not app.pinned
    assert {each.id for each in (await node.client.ListImages()).images} == {pause.id, app.id}
    messages = [message async for message in node.client.stream("StreamImages")]
    assert {each.id for message in messages for each in message.images} == {pause.id, app.id}
    messages = [message async for message in node.client.stream("StreamImages", filter=named)]
    assert [each.id for message in messages for each in message.images] == [app.id]
    absent = {"image": {"image": "registry.test/none:1"}}
    assert not (await node.client.ListImages(filter=absent)).images
    assert [message async for message in node.client.stream("StreamImages", filter=absent)] == []


async def test_the_user_of_an_image(node: Node) -> None:
    """It is a number or a name, and neither is there for an image that names none."""
    node.fake.add_image("registry.test/number:1", config={"User": "1000:1000"})
    node.fake.add_image("registry.test/name:1", config={"User": "web"})
    number = (await node.client.ImageStatus(image={"image": "registry.test/number:1"})).image
    name = (await node.client.ImageStatus(image={"image": "registry.test/name:1"})).image
    none = (await node.client.ImageStatus(image={"image": node.kubelet.image})).image
    assert (number.uid.value, number.username) == (1000, "")
    assert (name.HasField("uid"), name.username) == (False, "web")
    assert (none.HasField("uid"), none.username) == (False, "")


async def test_the_status_of_an_image(node: Node) -> None:
    """By tag, by id and by the beginning of an id; an absent image is an empty answer and no error."""
    by_tag = (await node.client.ImageStatus(image={"image": node.kubelet.image})).image
    for reference in (by_tag.id, by_tag.id.removeprefix("sha256:")[:16]):
        assert (await node.client.ImageStatus(image={"image": reference})).image == by_tag
    assert not (await node.client.ImageStatus(image={"image": "registry.test/none:1"})).ByteSize()
    code, text = await failure(node.client.ImageStatus())
    assert (code, text) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "image.image is empty; name an image by reference or id",
    )


async def test_the_verbose_status_of_an_image(node: Node) -> None:
    """It has the configuration; where that cannot be read it says why."""
    request = {"image": {"image": node.kubelet.image}, "verbose": True}
    info = json.loads((await node.client.ImageStatus(**request)).info["info"])
    assert info["imageSpec"]["architecture"] == "amd64"
    assert info["chainID"].startswith("sha256:")
    image_id = (await node.client.ImageStatus(**request)).image.id
    del node.fake.state["k8s.io"].content[image_id]
    info = json.loads((await node.client.ImageStatus(**request)).info["info"])
    assert "imageSpec" not in info
    assert "not found" in info["imageSpecError"]


async def test_the_image_file_system(node: Node) -> None:
    """Images and containers share one file system, whose use is known at the first request."""
    answer = await node.client.ImageFsInfo()
    (of_images,), (of_containers,) = answer.image_filesystems, answer.container_filesystems
    assert of_images == of_containers
    assert of_images.used_bytes.value > 0
    assert of_images.inodes_used.value > 0


async def test_an_image_file_system_that_cannot_be_read(node: Node) -> None:
    """The client gets containerd's words."""
    node.fake.faults.add("Snapshots/List", FaultKind.UNKNOWN, text="the disk is on fire")
    code, text = await failure(node.client.ImageFsInfo())
    assert (code, "the disk is on fire" in text) == (grpc.StatusCode.UNKNOWN, True)


async def test_removing_an_image(node: Node) -> None:
    """Every name of it goes, a second removal is a success, and a request without a name is refused."""
    for _ in range(2):
        await node.client.RemoveImage(image={"image": node.kubelet.image})
        assert not (await node.client.ImageStatus(image={"image": node.kubelet.image})).ByteSize()
    assert (await failure(node.client.RemoveImage()))[0] == grpc.StatusCode.INVALID_ARGUMENT
