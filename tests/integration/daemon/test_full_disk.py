"""A full log disk: containers are not held up, the daemon and other logs go on."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.containerd import unmount_below
from lab.cri_client import failure
from lab.pod_configs import sh
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 256 KiB."""
    directory = tmp_path / "tiny"
    directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "lab", str(directory)], check=True)
    yield directory
    unmount_below(directory)


async def test_a_container_is_not_held_up(lab, tiny_disk):
    """A container that writes four megabytes into a full log ends with its own exit code, and others are logged."""
    pod, other = await run_pod(lab, log_directory=tiny_disk), await run_pod(lab)
    container = await pod.start(command=sh("seq 1 500000; exit 7"))
    assert (await container.ended(30)).exit_code == 7
    assert await other.output("echo logged") == "logged"
    await pod.remove()
    await other.remove()


async def test_logging_goes_on_when_there_is_room_again(lab, tiny_disk, tmp_path):
    """When room is made and the log is reopened, the same container's lines are logged again."""
    signs = tmp_path / "signs"
    signs.mkdir()
    script = "seq 1 20000; touch /signs/full; until test -e /signs/room; do sleep 0.05; done; "
    pod = await run_pod(lab, log_directory=tiny_disk)
    container = await pod.start(
        command=sh(script + "while :; do echo again; sleep 0.05; done"),
        mounts=[cri.Mount(container_path="/signs", host_path=str(signs))],
    )
    await waited_for(signs / "full")
    container.log.unlink()
    await lab.client.ReopenContainerLog(container_id=container.id)
    (signs / "room").touch()
    assert await container.logged("again")
    await pod.remove()


async def waited_for(path: Path) -> None:
    """Wait for a file."""
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, path
        await asyncio.sleep(0.05)


async def test_a_log_that_cannot_be_opened(lab):
    """A log path below a file, where no directory can be made, fails the start with the path and leaves nothing."""
    pod = await run_pod(lab)
    blocked = Path(pod.config.log_directory, "blocked")
    blocked.touch()
    _, message = await failure(pod.start("blocked"))
    assert str(blocked) in message
    await pod.remove()
