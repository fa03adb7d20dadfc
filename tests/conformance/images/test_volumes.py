"""VOLUMEs of images."""

from __future__ import annotations

import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def image(node):
    """An image with two VOLUMEs, one of which has content with an owner, a mode and a link."""
    files = {
        "data/seed": (b"from the image\n", 0o640, 1000, 1000),
        "data/sub/deep": b"deep\n",
        "other/file": b"x\n",
    }
    return await node.pull("volumes:1", volumes=["/data", "/fresh"], files=files)


async def test_a_volume_starts_with_the_images_content(pod, image):
    """The volume is a mount of its own, with content, owner and mode of the image."""
    script = "grep -c ' /data ' /proc/mounts; cat /data/seed /data/sub/deep; stat -c '%a %u %g' /data/seed"
    assert await pod.output(script, image=image) == "1\nfrom the image\ndeep\n640 1000 1000"


async def test_a_volume_without_content_is_empty(pod, image):
    """A VOLUME that the image has no directory for is an empty directory that can be written."""
    assert await pod.output("ls /fresh | wc -l; touch /fresh/x && echo ok", image=image) == "0\nok"


async def test_every_container_has_its_own_volume(pod, image):
    """What one container writes into its volume another container of the same image does not see."""
    await pod.output("echo mine > /data/new", image=image)
    assert await pod.output("ls /data | xargs", image=image) == "seed sub"


async def test_a_mount_replaces_the_volume(pod, image, tmp_path):
    """A mount of the request on the same path is used instead of the image's volume."""
    (tmp_path / "given").touch()
    mount = cri.Mount(container_path="/data", host_path=str(tmp_path))
    assert await pod.output("ls /data", image=image, mounts=[mount]) == "given"
