"""A user of the node who knows the path of a volume cannot run what the image has put there."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from lab.images import busybox_image, push
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")

SETUID = 0o4755
OTHER_USER = 65534


def may_read(path):
    """Whether a user without rights finds the path."""
    return subprocess.run(["test", "-e", str(path)], user=OTHER_USER, group=OTHER_USER, check=False).returncode == 0


async def test_a_set_user_id_file_in_a_volume(lab):
    """The container has it as the image has it; the node's other users have no way to it, nor after an upgrade."""
    push(lab.images.address, "setuid:1", busybox_image(volumes=["/data"], files={"data/tool": b"#!/bin/sh\n"}))
    image = f"{lab.images.address}/setuid:1"
    await lab.client.PullImage(image={"image": image})
    pod = await run_pod(lab)
    container = await pod.start(image=image)
    (tool,) = (lab.root / "containers" / container.id / "volumes").glob("*/tool")
    tool.chmod(SETUID)
    assert await container.output("stat -c %a /data/tool") == "4755"
    assert may_read(lab.directory)
    assert not may_read(tool)
    for directory in (lab.root, lab.root / "containers", lab.root / "containers" / container.id):
        directory.chmod(0o711)  # as earlier versions had them
    assert may_read(tool.parent.parent)
    await asyncio.to_thread(lab.bridge.restart)
    assert not may_read(tool)
    assert await container.output("cat /data/tool") == "#!/bin/sh"
    await pod.remove()
    await lab.client.RemoveImage(image={"image": image})
