"""Who asks for a container from a checkpoint is told that there is none to be had, before anything is made."""

from __future__ import annotations

import grpc
import pytest

from cri_shim.oci.checkpoint_image import ANNOTATIONS
from lab.cri_client import failure
from lab.images import busybox_image, push, with_manifest
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")


async def refused(pod, image):
    """What a container of this image is answered."""
    code, message = await failure(pod.create(image=image))
    assert code == grpc.StatusCode.UNIMPLEMENTED
    assert image in message
    assert "does not restore" in message


async def test_an_archive(lab, tmp_path):
    """The path of an archive in the place of an image is refused; that of a file that is not there is no image."""
    pod = await run_pod(lab)
    archive = tmp_path / "checkpoint.tar"
    archive.write_bytes(bytes(10240))
    await refused(pod, str(archive))
    code, _ = await failure(pod.create(image=f"{archive}-not"))
    assert code in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT}
    await pod.remove()


@pytest.mark.parametrize("name", ANNOTATIONS)
async def test_an_image_that_holds_one(lab, name):
    """An image whose manifest says that it holds a checkpoint is refused, also after a restart of the daemon."""
    pod = await run_pod(lab)
    image = with_manifest(busybox_image(labels={"annotated": name}), {"annotations": {name: "counter"}})
    reference = f"{lab.images.address}/checkpoint:{len(name)}"
    push(lab.images.address, f"checkpoint:{len(name)}", image)
    await lab.client.PullImage(image={"image": reference})
    await refused(pod, reference)
    lab.bridge.restart()
    await refused(pod, reference)
    await pod.remove()
    await lab.client.RemoveImage(image={"image": reference})
