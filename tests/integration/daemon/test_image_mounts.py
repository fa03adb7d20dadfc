"""Images mounted as volumes: what they leave behind, and who keeps them, on a real containerd."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from containerd_client import Containerd
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.containerd import mounts_below
from lab.cri_client import failure
from lab.images import Tree, build_image, push
from tests.integration.daemon.conftest import run_pod
from tests.integration.daemon.recovery.test_recovery import collect_garbage

pytestmark = pytest.mark.usefixtures("nothing_left")


async def pulled(lab, name):
    """An image of two layers that only a test mounts."""
    image = build_image(Tree().file("a", b"a\n").layer(), Tree().file("b", name.encode() + b"\n").layer())
    push(lab.images.address, name, image)
    reference = f"{lab.images.address}/{name}"
    await lab.client.PullImage(image={"image": reference})
    return reference


def image_mount(image, **fields):
    """A CRI mount of an image at /vol."""
    return cri.Mount(container_path="/vol", image=cri.ImageSpec(image=image), readonly=True, **fields)


async def test_the_image_may_go_while_it_is_mounted(lab):
    """With its image removed and containerd's garbage collected, a container still reads it, also one made before."""
    image = await pulled(lab, "kept:1")
    pod = await run_pod(lab)
    running = await pod.start(mounts=[image_mount(image)])
    created = await pod.create(command=("cat", "/vol/a", "/vol/b"), mounts=[image_mount(image)])
    await lab.client.RemoveImage(image={"image": image})
    collect_garbage(lab)
    assert await running.output("cat /vol/a /vol/b") == "a\nkept:1"
    await created.start()
    assert (await created.ended()).exit_code == 0
    assert await created.logged("kept:1")
    await pod.remove()


async def test_a_crash_changes_nothing(lab):
    """A new daemon leaves the mounts of living containers alone, and removes them with their containers."""
    image = await pulled(lab, "crash:1")
    pod = await run_pod(lab)
    container = await pod.start(mounts=[image_mount(image)])
    created = await pod.create(command=("cat", "/vol/b"), mounts=[image_mount(image)])
    await asyncio.to_thread(lab.bridge.kill9)
    await asyncio.to_thread(lab.bridge.start)
    assert await container.output("cat /vol/b") == "crash:1"
    await created.start()
    assert (await created.ended()).exit_code == 0
    await pod.remove()
    assert not list((lab.state / "image-mounts").iterdir())
    await lab.client.RemoveImage(image={"image": image})


async def test_a_create_that_fails_leaves_nothing(lab):
    """Whatever goes wrong after an image was mounted, mount and view are gone when the error arrives."""
    image = await pulled(lab, "undone:1")
    pod = await run_pod(lab)
    good, bad = image_mount(image), image_mount(image, image_sub_path="nowhere")
    await failure(pod.create(mounts=[good, bad]))
    await failure(pod.create(mounts=[good], devices=[cri.Device(host_path="/dev/no-such")]))
    assert mounts_below(lab.state / "image-mounts") == []
    assert "-image-" not in lab.containerd.ctr("snapshots", "list")
    await pod.remove()
    await lab.client.RemoveImage(image={"image": image})


async def test_what_a_dead_daemon_left_is_removed(lab):
    """A view and a mount of a container that was never recorded are gone after the next start."""
    image = await pulled(lab, "orphan:1")
    pod = await run_pod(lab)
    container = await pod.create(mounts=[image_mount(image)])
    ghost = "0" * 64
    rows = [line.split() for line in lab.containerd.ctr("snapshots", "list").splitlines()]
    (parent,) = {row[1] for row in rows if row[0] == f"{container.id}-image-0"}
    # With its labels from the beginning: the garbage collector may run at any moment.
    labels = {"containerd.io/gc.root": "x", "io.cri-shim.image-mount": ghost}
    async with Containerd(lab.containerd.address, namespace="k8s.io") as containerd:
        await containerd.snapshots("overlayfs").view(f"{ghost}-image-0", parent, labels)
    point = lab.state / "image-mounts" / ghost / "0"
    point.mkdir(parents=True)
    subprocess.run(["mount", "--bind", str(lab.logs), str(point)], check=True)
    await asyncio.to_thread(lab.bridge.restart)
    assert ghost not in lab.containerd.ctr("snapshots", "list")
    assert not point.parent.exists()
    assert lab.logs.exists()
    await container.start()
    assert await container.output("cat /vol/b") == "orphan:1"
    await pod.remove()
    await lab.client.RemoveImage(image={"image": image})
