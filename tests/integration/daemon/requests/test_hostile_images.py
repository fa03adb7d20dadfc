"""Images that others made, pulled and run by the whole daemon: what one holds is no other's business."""

from __future__ import annotations

import dataclasses
import json

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.images import busybox_image, digest_of, push, with_manifest
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")


def image_with(**config):
    """A busybox image whose configuration's ``config`` has these keys as they are."""
    image = busybox_image()
    document = json.loads(image.config)
    document["config"] |= config
    data = json.dumps(document).encode()
    descriptor = json.loads(image.manifest)["config"] | {"digest": digest_of(data), "size": len(data)}
    return with_manifest(dataclasses.replace(image, config=data), {"config": descriptor})


async def pulled(lab, name, image):
    push(lab.images.address, name, image)
    reference = f"{lab.images.address}/{name}"
    await lab.client.PullImage(image={"image": reference})
    return reference


async def test_a_user_in_lower_case_is_that_user(lab):
    """Go reads ``user`` as ``User``: such an image runs as 1000 and not as root."""
    image = await pulled(lab, "lower:1", image_with(user="1000"))
    assert (await lab.client.ImageStatus(image={"image": image})).image.uid.value == 1000
    pod = await run_pod(lab)
    container = await pod.start(image=image)
    assert await container.output("id -u") == "1000"
    await pod.remove()
    await lab.client.RemoveImage(image={"image": image})


async def test_users_that_are_none_fail_no_list(lab):
    """A lone surrogate and a number of thousands of digits: the images are listed, shown and removable."""
    hostile = {"surrogate:1": "\ud800", "digits:1": "7" * 5000, "beyond:1": str(1 << 63)}
    images = [await pulled(lab, name, image_with(User=user)) for name, user in hostile.items()]
    tags = {tag for image in (await lab.client.ListImages()).images for tag in image.repo_tags}
    assert {*images, lab.busybox} <= tags
    for image in images:
        status = (await lab.client.ImageStatus(image={"image": image}, verbose=True)).image
        assert status.username
        assert not status.HasField("uid")
        await lab.client.RemoveImage(image={"image": image})
    assert not (await lab.client.ListImages(filter=cri.ImageFilter(image=cri.ImageSpec(image=images[0])))).images
