"""Images mounted as volumes."""

from __future__ import annotations

import grpc
import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.images import Tree, build_image

pytestmark = [
    pytest.mark.plugin_differs("containerd has image volumes from 2.1 on", before="2.1"),
    pytest.mark.proves("Mount.image"),
]
sub_path = pytest.mark.proves("Mount.image_sub_path")
later = pytest.mark.plugin_differs("containerd has image_sub_path from 2.2 on", since="2.1", before="2.2")
ours = pytest.mark.plugin_differs("the plugin's codes for these are Unknown", since="2.1")

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


def content() -> Tree:
    """A volume's content: files, a directory, and links that lead out of it."""
    tree = Tree().file("top", b"top\n").directory("models").file("models/weights", b"weights\n")
    tree.file("models/run", b"#!/bin/sh\necho ran\n", 0o755)
    tree.symlink("climbs", "../../../../etc").symlink("absolute", "/models")
    return tree.directory("etc").file("etc/whose", b"the image's\n")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def volume(node):
    """An image of two layers that holds nothing to run; the second one hides a file of the first."""
    upper = Tree().whiteout("gone").file("models/more", b"more\n").layer()
    return await node.pull("volume:2", build_image(content().file("gone").layer(), upper))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def thin(node):
    """An image of one layer, which a snapshotter may mount in another way than several."""
    return await node.pull("volume:1", build_image(content().layer()))


def image_mount(image, target="/vol", **fields):
    """A CRI mount of an image."""
    fields.setdefault("readonly", True)
    return cri.Mount(container_path=target, image=cri.ImageSpec(image=image), **fields)


async def test_an_image_is_mounted(pod, volume):
    """All layers are seen as one: what the upper one adds is there, what it removes is not."""
    script = "cat /vol/top /vol/models/weights /vol/models/more; ls /vol | xargs"
    expected = "top\nweights\nmore\nabsolute climbs etc models top"
    assert await pod.output(script, mounts=[image_mount(volume)]) == expected


async def test_an_image_of_one_layer_is_mounted(pod, thin):
    """One layer alone works like several, and is as read-only as they are."""
    script = "cat /vol/top; touch /vol/new 2>/dev/null && echo written || echo refused"
    assert await pod.output(script, mounts=[image_mount(thin)]) == "top\nrefused"


@pytest.mark.plugin_differs("the plugin mounts a snapshot that can be written to", since="2.1")
async def test_it_cannot_be_written_even_by_a_privileged_container(node, volume):
    """Neither writing nor mounting it anew for writing works: there is nothing below that could be written to."""
    pod = await node.run(security={"privileged": True})
    script = "mount -o remount,bind,rw /vol 2>/dev/null; touch /vol/new 2>/dev/null && echo written || echo refused"
    assert await pod.output(script, security={"privileged": True}, mounts=[image_mount(volume)]) == "refused"


async def test_programs_in_it_can_be_run(pod, volume):
    """The mount is not noexec, as with the plugin."""
    assert await pod.output("/vol/models/run", mounts=[image_mount(volume)]) == "ran"


@sub_path
@later
async def test_a_sub_path_is_mounted(pod, volume):
    """Only the directory that the sub-path names is seen."""
    mounts = [image_mount(volume, image_sub_path="models")]
    assert await pod.output("ls /vol | xargs; cat /vol/weights", mounts=mounts) == "more run weights\nweights"


@sub_path
@pytest.mark.plugin_differs("absolute links and links that climb are refused there", since="2.1")
@pytest.mark.parametrize(("path", "seen"), [("climbs", "whose"), ("absolute", "more run weights")])
async def test_links_on_the_sub_path_stay_in_the_image(pod, volume, path, seen):
    """A link that leads above the image's root, or starts at the root, is followed inside the image."""
    mounts = [image_mount(volume, image_sub_path=path)]
    assert await pod.output("ls /vol | xargs", mounts=mounts) == seen


@sub_path
@ours
@pytest.mark.parametrize(
    ("path", "code", "says"),
    [
        ("nowhere", NOT_FOUND, "'nowhere'"),
        ("models/nowhere", NOT_FOUND, "'models/nowhere'"),
        ("top", INVALID, "not a directory"),
        ("../models", INVALID, "'..'"),
    ],
)
async def test_a_sub_path_that_cannot_be_mounted_is_refused(pod, volume, path, code, says):
    """A directory that the image lacks, a file, and a path that climbs are refused with the path."""
    status, message = await failure(pod.create(mounts=[image_mount(volume, image_sub_path=path)]))
    assert status == code
    assert message.startswith("ImageVolumeMountFailed")
    assert says in message


@pytest.mark.plugin_differs("the plugin of 2.1 lacks the word", since="2.1", before="2.2")
async def test_an_image_that_is_not_here_is_refused(pod, node):
    """The image is not pulled; the kubelet does that first. The error has the word that the kubelet looks for."""
    missing = f"{node.registry.address}/no-such-volume:1"
    code, message = await failure(pod.create(mounts=[image_mount(missing)]))
    assert code == NOT_FOUND
    assert message.startswith("ImageVolumeMountFailed")
    assert missing in message


@ours
async def test_a_mount_that_contradicts_itself_is_refused(pod, volume, tmp_path):
    """An image can be neither writable nor a host path as well, and must have a name."""
    for mount, word in (
        (image_mount(volume, readonly=False), "readonly"),
        (image_mount(volume, host_path=str(tmp_path)), "host_path"),
        (image_mount(""), "names no image"),
    ):
        code, message = await failure(pod.create(mounts=[mount]))
        assert code == INVALID
        assert word in message


@ours
async def test_mapped_ids_are_refused(pod, volume):
    """An overlay cannot be mounted with mapped ids; an error is better than files without a valid owner."""
    mapping = cri.IDMapping(host_id=100000, container_id=0, length=65536)
    mount = image_mount(volume, uidMappings=[mapping], gidMappings=[mapping])
    code, message = await failure(pod.create(mounts=[mount]))
    assert code == grpc.StatusCode.UNIMPLEMENTED
    assert volume in message


@later
async def test_several_images_and_several_containers(pod, volume, thin):
    """One container mounts an image twice and another once; removing it takes nothing from its neighbour."""
    mounts = [
        image_mount(volume, "/a"),
        image_mount(volume, "/b", image_sub_path="models"),
        image_mount(thin, "/c"),
    ]
    first = await pod.start(mounts=mounts)
    second = await pod.start(mounts=[image_mount(volume)])
    assert await first.output("cat /a/top /b/weights /c/top") == "top\nweights\ntop"
    await first.stop(timeout=0)
    await first.remove()
    assert await second.output("cat /vol/top") == "top"


@sub_path
@later
async def test_the_status_shows_the_image(pod, volume):
    """ContainerStatus names image and sub-path, by which the kubelet keeps the image from its garbage collection."""
    container = await pod.create(mounts=[image_mount(volume, image_sub_path="models")])
    (mount,) = (await container.status()).mounts
    assert (mount.image.image, mount.image_sub_path, mount.readonly) == (volume, "models", True)


@pytest.mark.proves("ImageSpec.image_ref")
@pytest.mark.plugin_differs("the plugin does not know the field up to 2.2", since="2.1")
async def test_the_status_shows_what_the_image_was_resolved_to(client, pod, volume):
    """The reference that the kubelet resolved the image to comes back in ContainerStatus, for the pod's own status."""
    image = (await client.ImageStatus(image={"image": volume})).image
    mount = image_mount(volume)
    mount.image.image_ref = image.repo_digests[0]
    container = await pod.create(mounts=[mount])
    (shown,) = (await container.status()).mounts
    assert shown.image.image_ref == image.repo_digests[0]
