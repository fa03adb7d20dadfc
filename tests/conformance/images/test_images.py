"""PullImage, ImageStatus, ListImages, RemoveImage, ImageFsInfo."""

from __future__ import annotations

import json
import os

import grpc
import pytest

from lab.cri_client import failure
from lab.images import busybox_image


async def status(client, reference):
    """The image of a reference, or nothing."""
    response = await client.ImageStatus(image={"image": reference})
    return response.image if response.HasField("image") else None


@pytest.mark.proves("ImageService.ImageStatus")
async def test_a_pulled_image_is_known_by_all_its_names(node, client):
    """Tag, digest, id and a prefix of the id all find it; it has one tag and one digest, a size and an id."""
    image = busybox_image(labels={"made": "for names"})
    reference = await node.pull("names:1", image)
    repository = reference.removesuffix(":1")
    status_image = await status(client, reference)
    assert list(status_image.repo_tags) == [reference]
    assert list(status_image.repo_digests) == [f"{repository}@{image.digest}"]
    assert status_image.id == image.id
    assert status_image.size > 100_000
    for name in (f"{repository}@{image.digest}", image.id, image.id.removeprefix("sha256:")[:13]):
        assert (await status(client, name)) == status_image


@pytest.mark.proves("ImageService.PullImage", "ImageSpec.image")
async def test_pull_answers_the_id(node, client):
    """PullImage answers what names the image from then on: ImageStatus finds it."""
    image = busybox_image(labels={"made": "for the answer"})
    reference = await node.pull("answer:1", image)
    answer = (await client.PullImage(image={"image": reference})).image_ref
    assert answer == image.id
    assert (await status(client, answer)).repo_tags == [reference]


async def test_pull_by_digest(node, client):
    """An image that is pulled by digest has that digest and no tag."""
    image = busybox_image(labels={"made": "for digests"})
    await node.pull("by-digest:1", image)
    name = f"{node.registry.address}/by-digest"
    await client.RemoveImage(image={"image": f"{name}:1"})
    await client.PullImage(image={"image": f"{name}@{image.digest}"})
    status_image = await status(client, f"{name}@{image.digest}")
    assert (list(status_image.repo_tags), list(status_image.repo_digests)) == ([], [f"{name}@{image.digest}"])


async def test_two_tags_of_one_image(node, client):
    """Two tags of the same content are one image; removing one tag removes the whole image, as the CRI has it."""
    image = busybox_image(labels={"made": "for two tags"})
    one, two = await node.pull("two-tags:1", image), await node.pull("two-tags:2", image)
    assert sorted((await status(client, one)).repo_tags) == [one, two]
    await client.RemoveImage(image={"image": image.id})
    assert await status(client, one) is None
    assert await status(client, two) is None


async def test_an_image_that_is_not_there(node, client):
    """ImageStatus of an image that is not there answers without an image and without an error."""
    assert await status(client, f"{node.registry.address}/never-pulled:1") is None
    assert await status(client, "sha256:" + "0" * 64) is None


@pytest.mark.proves("ImageService.ListImages")
@pytest.mark.plugin_differs("the plugin does not look at the filter")
async def test_the_list_and_its_filter(node, client):
    """ListImages lists every image; with a filter only the named one, or none."""
    reference = await node.pull("listed:1", labels={"made": "for the list"})
    all_images = (await client.ListImages()).images
    assert [image for image in all_images if reference in image.repo_tags]
    assert [image for image in all_images if node.image in image.repo_tags]
    images = (await client.ListImages(filter={"image": {"image": reference}})).images
    assert [list(image.repo_tags) for image in images] == [[reference]]
    assert not (await client.ListImages(filter={"image": {"image": "not/there:1"}})).images


async def test_the_user_of_an_image(node, client):
    """A numeric User is the uid, a named one the username."""
    numeric = await status(client, await node.pull("user-number:1", user="1234:5"))
    named = await status(client, await node.pull("user-name:1", user="app"))
    assert (numeric.uid.value, numeric.username) == (1234, "")
    assert (named.HasField("uid"), named.username) == (False, "app")


async def test_verbose_status_has_the_config(node, client):
    """Verbose info has the image's configuration and layers, in JSON."""
    await node.pull("verbose:1", env=["TOLD=yes"])
    response = await client.ImageStatus(image={"image": f"{node.registry.address}/verbose:1"}, verbose=True)
    info = json.loads(response.info["info"])
    assert "TOLD=yes" in info["imageSpec"]["config"]["Env"]
    assert info["chainID"].startswith("sha256:")


@pytest.mark.proves("ImageService.RemoveImage")
async def test_removal(node, client):
    """A removed image is gone; removing it again, or one that never was, succeeds."""
    reference = await node.pull("removed:1", labels={"made": "for removal"})
    await client.RemoveImage(image={"image": reference})
    assert await status(client, reference) is None
    await client.RemoveImage(image={"image": reference})
    await client.RemoveImage(image={"image": f"{node.registry.address}/never-was:1"})


async def test_a_removed_image_keeps_its_containers_running(node, client, pod):
    """Removing the image of a running container does not disturb it."""
    reference = await node.pull("in-use:1", labels={"made": "for use"}, files={"told": b"still here\n"})
    container = await pod.start(image=reference)
    await client.RemoveImage(image={"image": reference})
    assert await container.output("cat /told") == "still here"


async def test_a_moved_tag(node, client):
    """Pulling a tag that moved gives the new image; the old one is still there, without the tag."""
    old, new = busybox_image(labels={"number": "old"}), busybox_image(labels={"number": "new"})
    reference = await node.pull("moved:1", old)
    await node.pull("moved:1", new)
    assert (await status(client, reference)).id == new.id


@pytest.mark.parametrize("reference", ["name/UPPER:1", "with space:1", "name:bad tag", "a@sha256:short", ":1"])
async def test_a_bad_reference_is_refused(node, client, reference):
    """A reference that is none is refused with its text, by PullImage."""
    code, message = await failure(client.PullImage(image={"image": reference}))
    assert code == node.code(grpc.StatusCode.INVALID_ARGUMENT, plugin=grpc.StatusCode.UNKNOWN)
    assert reference in message


async def test_a_repository_that_is_not_there(node, client):
    """Pulling what the registry does not have is NOT_FOUND and names the image."""
    code, message = await failure(client.PullImage(image={"image": f"{node.registry.address}/nothing:1"}))
    assert code == node.code(grpc.StatusCode.NOT_FOUND, plugin=grpc.StatusCode.NOT_FOUND)
    assert "nothing:1" in message


async def test_a_registry_that_is_not_there(client):
    """Pulling from a port without a listener fails soon and names the image or the address."""
    _, message = await failure(client.PullImage(image={"image": "127.0.0.1:1/image:1"}))
    assert "127.0.0.1:1" in message


@pytest.mark.proves("ImageService.ImageFsInfo")
async def test_the_image_file_system(client):
    """ImageFsInfo names a directory that exists, and how much it holds."""
    filesystems = (await client.ImageFsInfo()).image_filesystems
    assert filesystems
    assert os.path.isdir(filesystems[0].fs_id.mountpoint)
    assert filesystems[0].timestamp > 0


@pytest.mark.proves("ImageSpec.runtime_handler")
async def test_pull_for_a_runtime_handler(node, client):
    """An image may be pulled for a handler by name; one for the default handler is there for all."""
    reference = await node.pull("for-handler:1", labels={"made": "for a handler"})
    answer = await client.PullImage(image={"image": reference, "runtime_handler": "runc"})
    assert (await status(client, reference)).id == answer.image_ref
