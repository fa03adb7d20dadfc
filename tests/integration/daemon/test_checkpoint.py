"""CheckpointContainer with real runc and criu: the archive, and nothing left behind when it fails."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import time

import grpc
import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.census import Census, wait_clean
from lab.cri_client import failure
from lab.debian.criu import criu_folder
from lab.debian.packages import NotAvailableError
from lab.lab import Lab
from lab.pod_configs import sh
from tests.integration.daemon.conftest import run_pod

# Counts, so that one can see it stand still or go on, and writes to its root file system.
COUNTER = "echo written > /made-here; rm /bin/awk; i=0; while true; do i=$((i+1)); echo $i > /count; sleep 0.1; done"

# Stands in front of the real criu: the file beside it says what it is to do before a dump.
MOODY_CRIU = """#!/bin/sh
mood="$(cat {mood})"
if [ "$1" = --version ] && [ "$mood" = old ]; then echo 'Version: 3.11'; exit 0; fi
if [ "$1" != --version ] && [ "$mood" = broken ]; then exit 1; fi
if [ "$1" != --version ] && [ "$mood" = slow ]; then touch {mood}.seen; sleep 4; fi
exec {criu} "$@"
"""


class Node:
    """A lab whose containerd and daemon find the moody criu first."""

    def __init__(self, lab, mood):
        self.lab = lab
        self.mood = mood

    def criu(self, mood=""):
        """``old``, ``broken``, ``slow``; nothing for the real one."""
        self.mood.write_text(mood)
        self.seen.unlink(missing_ok=True)

    @property
    def seen(self):
        """Made by the slow one once it was asked for a dump."""
        return self.mood.with_name(f"{self.mood.name}.seen")

    async def checkpoint(self, container, location, **more):
        """Ask for a checkpoint."""
        return await self.lab.client.CheckpointContainer(container_id=container.id, location=str(location), **more)

    def works(self):
        """Work directories of checkpoints."""
        return list((self.lab.root / "containers").glob("*/checkpoint-*"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def _checkpoint_node(tmp_path_factory):
    try:
        folder = await asyncio.to_thread(criu_folder)
    except NotAvailableError as error:
        pytest.skip(str(error))
    directory = tmp_path_factory.mktemp("criu")
    mood = directory / "mood"
    mood.write_text("")
    (directory / "criu").write_text(MOODY_CRIU.format(mood=mood, criu=folder / "criu"))
    (directory / "criu").chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
        async with Lab("bridge") as lab:
            yield Node(lab, mood)


@pytest_asyncio.fixture(loop_scope="session")
async def node(_checkpoint_node):
    """The node, empty and with the real criu, before and after each test; what a test leaves behind fails it."""
    _checkpoint_node.criu()
    lab = _checkpoint_node.lab
    before = await asyncio.to_thread(Census.take, lab)
    yield _checkpoint_node
    if not lab.containerd.daemon.alive:
        await asyncio.to_thread(lab.containerd.start)
    if not lab.bridge.daemon.alive:
        await asyncio.to_thread(lab.bridge.start)
    assert _checkpoint_node.works() == []
    await lab.remove_all()
    assert await wait_clean(lab, before) == ""


async def counter(node):
    """A container that counts."""
    pod = await run_pod(node.lab)
    container = await pod.start(command=sh(COUNTER))
    await goes_on(container)
    return container


async def goes_on(container, seconds=60):
    """Wait until the container has counted on, as it cannot while it is paused."""
    deadline = time.monotonic() + seconds
    first = None
    while True:
        with contextlib.suppress(grpc.aio.AioRpcError, AssertionError):
            now = await container.output("cat /count")
            if first is not None and now != first:
                return
            first = first or now
        assert time.monotonic() < deadline, f"it stands still at {first}"
        await asyncio.sleep(0.2)


def read_member(tar, name):
    """The bytes of a regular file in a tar."""
    file = tar.extractfile(name)
    assert file is not None
    return file.read()


async def test_the_archive_is_complete(node, tmp_path):
    """Everything checkpointctl looks for is in it, in the form of CRI-O and containerd, and true."""
    container = await counter(node)
    location = tmp_path / "here.tar"
    await node.checkpoint(container, location)
    assert stat.S_IMODE(location.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["here.tar"]
    status = await container.status()
    with tarfile.open(location) as tar:
        names = set(tar.getnames())
        read = {name: read_member(tar, name) for name in names if tar.getmember(name).isreg()}
    assert {"checkpoint", "checkpoint/inventory.img", "checkpoint/pstree.img", "checkpoint/descriptors.json"} <= names
    assert {"dump.log", "stats-dump", "status"} <= names
    assert any(name.startswith("checkpoint/pages-") for name in names)
    assert b"Dumping finished successfully" in read["dump.log"]
    config = json.loads(read["config.dump"])
    assert config["id"] == container.id
    assert config["name"].startswith(container.config.metadata.name + "_")
    assert config["rootfsImage"] == config["rootfsImageName"] == status.image.image
    assert config["rootfsImageRef"] == status.image_ref
    assert config["runtime"] == "io.containerd.runc.v2"
    assert config["createdTime"] < config["checkpointedTime"]
    assert config["restored"] is False
    annotations = json.loads(read["spec.dump"])["annotations"]
    assert annotations["io.kubernetes.cri.container-type"] == "container"
    assert json.loads(read["status.dump"])["started_at"] == status.started_at
    assert json.loads(read["status"])["Version"] == "v1"
    with tarfile.open(fileobj=io.BytesIO(read["rootfs-diff.tar"])) as layer:
        assert read_member(layer, "made-here") == b"written\n"
        assert "bin/.wh.awk" in layer.getnames()


async def test_the_container_runs_on_and_can_be_checkpointed_again(node, tmp_path):
    """The same process goes on counting; a second checkpoint takes the place of the first."""
    container = await counter(node)
    pid = await container.output("echo $PPID; ls -d /proc/1/exe")
    location = tmp_path / "again.tar"
    location.write_text("an old file that is longer than nothing")
    for _ in range(2):
        await node.checkpoint(container, location)
        assert tarfile.is_tarfile(location)
        await goes_on(container)
        assert (await container.output("echo $PPID; ls -d /proc/1/exe")) == pid
        assert (await container.status()).state == cri.CONTAINER_RUNNING


async def test_the_log_is_in_it(node, tmp_path):
    """What the container has printed so far lies in the archive as container.log."""
    pod = await run_pod(node.lab)
    container = await pod.start(command=sh("echo so far; sleep 1000"))
    await container.logged("so far")
    await node.checkpoint(container, tmp_path / "x.tar")
    with tarfile.open(tmp_path / "x.tar") as tar:
        assert b"stdout F so far" in read_member(tar, "container.log")


@pytest.mark.parametrize("location", ["", "relative.tar", "/", "/no-such-directory/x.tar"])
async def test_a_bad_location_is_refused(node, location):
    """A place where no file can be written is an invalid argument, before anything is paused."""
    pod = await run_pod(node.lab)
    container = await pod.start(command=sh("sleep 1000"))
    code, text = await failure(
        node.lab.client.CheckpointContainer(container_id=container.id, location=location, timeout=5)
    )
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert repr(location) in text


async def test_only_a_running_container(node, tmp_path):
    """Unknown is not found; created and ended are failed preconditions that name the state; nothing is written."""
    code, _ = await failure(node.lab.client.CheckpointContainer(container_id="f" * 64, location=str(tmp_path / "x")))
    assert code == grpc.StatusCode.NOT_FOUND
    pod = await run_pod(node.lab)
    container = await pod.create(command=sh("exit 0"))
    code, text = await failure(node.checkpoint(container, tmp_path / "x"))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "created" in text.lower()
    await container.start()
    await container.ended()
    code, text = await failure(node.checkpoint(container, tmp_path / "x"))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "exited" in text.lower()
    assert list(tmp_path.iterdir()) == []


async def test_criu_too_old(node, tmp_path):
    """A criu that is too old is refused with its version and the one that is needed."""
    container = await counter(node)
    node.criu("old")
    code, text = await failure(node.checkpoint(container, tmp_path / "x"))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "3.11" in text
    assert "3.16" in text


async def test_criu_fails(node, tmp_path):
    """When criu cannot dump, the error says so, nothing is left anywhere, and the container runs on."""
    container = await counter(node)
    node.criu("broken")
    code, text = await failure(node.checkpoint(container, tmp_path / "x"))
    assert code == grpc.StatusCode.INTERNAL
    assert container.id in text
    assert list(tmp_path.iterdir()) == []
    await goes_on(container)
    node.criu()
    await node.checkpoint(container, tmp_path / "x")


async def test_a_full_disk(node, tmp_path):
    """An archive that cannot be written whole leaves no part of itself, and the container runs on."""
    container = await counter(node)
    place = tmp_path / "small"
    place.mkdir()
    await asyncio.to_thread(_small_disk, place)
    try:
        code, text = await failure(node.checkpoint(container, place / "x.tar"))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "no space left" in text.lower()
        assert list(place.iterdir()) == []
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", str(place)], check=True)
    await goes_on(container)


def _small_disk(place):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)


async def test_the_timeout(node, tmp_path):
    """A checkpoint that takes longer than its timeout is answered in time and leaves nothing; criu is let finish."""
    container = await counter(node)
    node.criu("slow")
    begun = time.monotonic()
    code, text = await failure(node.checkpoint(container, tmp_path / "x", timeout=1))
    assert time.monotonic() - begun < 3.5
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "1 s" in text
    await gone(node)
    assert list(tmp_path.iterdir()) == []
    await goes_on(container)


async def test_the_daemon_is_killed_meanwhile(node, tmp_path):
    """A container that was paused for a checkpoint whose daemon was killed runs on after its restart."""
    container = await counter(node)
    node.criu("slow")
    asked = asyncio.ensure_future(failure(node.checkpoint(container, tmp_path / "x")))
    deadline = time.monotonic() + 30
    while not node.seen.exists():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    await asyncio.to_thread(node.lab.bridge.daemon.kill9)
    await asked
    assert node.works() != []
    node.criu()
    await asyncio.to_thread(node.lab.bridge.start)
    await goes_on(container)
    await gone(node)
    assert list(tmp_path.iterdir()) == []
    await node.checkpoint(container, tmp_path / "x")


async def gone(node, seconds=60):
    """Wait until no work directory is there."""
    deadline = time.monotonic() + seconds
    while node.works():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def test_the_node_has_no_criu(node, tmp_path, monkeypatch):
    """Without criu the request is refused, and the error says what to install."""
    container = await counter(node)
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("runc", "iptables", "ip"):
        path = shutil.which(program)
        if path:
            (folder / program).symlink_to(path)
    bridge = node.lab.bridge
    monkeypatch.setitem(bridge.daemon.environment, "PATH", str(folder))
    await asyncio.to_thread(bridge.restart)
    code, text = await failure(node.checkpoint(container, tmp_path / "x"))
    monkeypatch.undo()
    await asyncio.to_thread(bridge.restart)
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "install" in text
    assert not (tmp_path / "x").exists()
