"""The disk below the daemon's root is full or read-only: exits are not lost, starts are undone, removals work."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.containerd import unmount_below
from lab.cri_client import failure
from lab.patience import patient
from lab.pod_configs import pod_config, sh
from tests.integration.daemon.conftest import run_pod

if TYPE_CHECKING:
    from pathlib import Path


class SmallDisk:
    """A file system of 1 MiB and 256 inodes below the daemon's root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ballast = root / "ballast"

    def fill(self, what: str = "space") -> None:
        """Leave no room for one more block, or one more file."""
        self._ballast.mkdir()
        with contextlib.suppress(OSError):
            if what == "space":
                with (self._ballast / "zeros").open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
            else:
                for number in range(1000):
                    (self._ballast / str(number)).touch()

    def empty(self) -> None:
        """Make room again."""
        for path in self._ballast.iterdir():
            path.unlink()
        self._ballast.rmdir()

    def close(self) -> None:
        """Let nothing be written or removed in its directories, as on a file system that the kernel has given up."""
        for directory in ("containers", "sandboxes"):
            path = str(self.root / directory)
            subprocess.run(["mount", "--bind", path, path], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", path], check=True)

    def open(self) -> None:
        """Let it be written again."""
        for directory in ("containers", "sandboxes"):
            subprocess.run(["umount", "--lazy", str(self.root / directory)], check=True)


@pytest_asyncio.fixture(loop_scope="session")
async def disk(lab):
    """The root of the daemon is on a small disk; afterwards it is where it was."""

    def exchange(*command: str) -> None:
        lab.bridge.stop()
        if command:
            subprocess.run([*command, str(lab.root)], check=True)
        else:
            unmount_below(lab.root)
        lab.bridge.start()

    await asyncio.to_thread(exchange, "mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=256", "lab")
    yield SmallDisk(lab.root)
    await lab.remove_all()
    await asyncio.to_thread(exchange)


async def task_gone(lab, id_: str) -> None:
    """Wait until containerd has no task of that id."""
    deadline = time.monotonic() + patient(30)
    while id_ in await asyncio.to_thread(lab.containerd.ctr, "tasks", "list", "--quiet"):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("what", ["space", "inodes", "read-only"])
async def test_an_exit_code_is_not_lost(lab, disk, nothing_left, what):
    """The exit is known at once and after restarts; the task stays until the status is on disk, and not longer."""
    pod = await run_pod(lab)
    container = await pod.start(command=sh("sleep 0.5; exit 7"))
    if what == "read-only":
        disk.close()
    else:
        disk.fill(what)
    assert (await container.ended()).exit_code == 7
    assert container.id in lab.containerd.ctr("tasks", "list", "--quiet")
    await asyncio.to_thread(lab.bridge.restart)
    status = await container.ended()
    assert (status.exit_code, status.reason) == (7, "Error")
    assert container.id in lab.containerd.ctr("tasks", "list", "--quiet")
    if what == "read-only":
        disk.open()
    else:
        disk.empty()
    await task_gone(lab, container.id)
    lab.bridge.kill9()
    await asyncio.to_thread(lab.bridge.start)
    status = await container.status()
    assert (status.state, status.exit_code, status.reason) == (cri.CONTAINER_EXITED, 7, "Error")
    await pod.remove()


@pytest.mark.parametrize("what", ["space", "inodes"])
async def test_what_is_begun_is_undone_and_what_is_there_can_be_removed(lab, disk, nothing_left, tmp_path, what):
    """A start, a creation and a pod say which directory is full and leave nothing; removals make room."""
    pod = await run_pod(lab)
    runs, ended, created = (
        await pod.start(),
        await pod.start(command=sh("exit 0")),
        await pod.create(
            command=sh("touch /signs/ran"), mounts=[cri.Mount(container_path="/signs", host_path=str(tmp_path))]
        ),
    )
    await ended.ended()
    disk.fill(what)
    code, message = await failure(created.start())
    assert (code, str(disk.root) in message) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True), message
    status = await created.status()
    assert (status.state, status.reason, status.exit_code) == (cri.CONTAINER_EXITED, "StartError", 128)
    assert str(disk.root) in status.message
    assert not list(tmp_path.iterdir())
    assert created.id not in lab.containerd.ctr("tasks", "list", "--quiet")
    limits = {"cpu_period": 100_000, "cpu_quota": 33_000}
    update = lab.client.UpdateContainerResources(container_id=runs.id, linux=limits)
    for call in (pod.create(), run_pod(lab), update):
        code, message = await failure(call)
        assert (code, str(disk.root) in message) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True), message
    assert (await runs.status()).resources.linux.cpu_quota != limits["cpu_quota"]
    assert {one.id for one in (await lab.client.ListContainers()).containers} == {runs.id, ended.id, created.id}
    assert [one.id for one in (await lab.client.ListPodSandbox()).items] == [pod.id]
    await ended.remove()
    await created.remove()
    await pod.remove()
    assert not list((disk.root / "containers").iterdir())
    assert not list((disk.root / "sandboxes").iterdir())


async def test_a_daemon_starts_on_a_full_disk(lab, disk, nothing_left):
    """It is needed to make room, so it does without its number in the lock."""
    pod = await run_pod(lab)
    container = await pod.start()
    lab.bridge.kill9()
    for name in ("root.lock", "state.lock"):
        (disk.root / name).write_text("")
    disk.fill()
    await asyncio.to_thread(lab.bridge.start)
    await container.stop()
    await pod.remove()
    assert (disk.root / "root.lock").read_text() == ""


async def test_a_root_that_is_read_only(lab, disk, nothing_left):
    """Nothing can be removed of it either: the removal says so, keeps the record, and works when it is writable."""
    pod = await run_pod(lab)
    container = await pod.start()
    disk.close()
    code, message = await failure(lab.client.RunPodSandbox(config=pod_config(cgroup_parent=lab.cgroup_parent)))
    assert (code, str(disk.root) in message) == (grpc.StatusCode.FAILED_PRECONDITION, True), message
    await container.stop()
    code, message = await failure(container.remove())
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert f"container {container.id} cannot be removed" in message
    assert "read-only" in message
    await pod.stop()
    await failure(lab.client.RemovePodSandbox(pod_sandbox_id=pod.id))
    assert [one.id for one in (await lab.client.ListPodSandbox()).items] == [pod.id]
    disk.open()
    await pod.remove()
