"""Docker Engine and the daemon use one containerd, each in its own namespace, and leave each other alone."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from lab import cgroup_driver
from lab.bridge import interpreter_settings, program
from lab.debian.packages import NotAvailableError
from lab.docker import NAMESPACE, DockerEngine
from lab.pod_configs import sh
from lab.pods import Pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lab.lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def engine(lab: Lab) -> AsyncIterator[DockerEngine]:
    """An engine on the node's containerd, with the image."""
    try:
        parent = cgroup_driver.child(lab.cgroup_parent, "docker")
        made = await asyncio.to_thread(DockerEngine, lab.directory / "docker", lab.containerd.address, parent)
    except NotAvailableError as error:
        pytest.skip(f"there is no Docker Engine: {error}")
    try:
        await asyncio.to_thread(made.start)
        await asyncio.to_thread(made.docker, "pull", "--quiet", lab.busybox)
        yield made
    finally:
        await asyncio.to_thread(made.stop)


async def docker(engine: DockerEngine, *arguments: str) -> str:
    """Run Docker's client."""
    return await asyncio.to_thread(engine.docker, *arguments)


async def run_in_docker(engine: DockerEngine, lab: Lab) -> str:
    """Start a container in the engine, and return its id."""
    options = ("--detach", "--network", "none")
    return await docker(engine, "run", *options, lab.busybox, "sleep", "1000")


async def run_pod(lab: Lab) -> tuple[Pod, str]:
    """Start a pod with one container; return it and the container's id."""
    pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent)
    return pod, (await pod.start(command=sh("exec sleep 1000"))).id


async def state(engine: DockerEngine, id_: str) -> tuple[str, int, int]:
    """Return a container's state, process id and number of restarts, as the engine tells them."""
    (shown,) = json.loads(await docker(engine, "inspect", id_))
    return shown["State"]["Status"], shown["State"]["Pid"], shown["RestartCount"]


async def test_neither_lists_what_the_other_has(lab: Lab, engine: DockerEngine) -> None:
    """Containers, pods, images and statistics: each has its own, though one containerd has both."""
    theirs = await run_in_docker(engine, lab)
    pod, ours = await run_pod(lab)
    assert lab.containerd.ctr("containers", "list", "--quiet", namespace=NAMESPACE).split() == [theirs]
    assert set(lab.containerd.ctr("containers", "list", "--quiet").split()) == {pod.id, ours}
    assert [each.id for each in (await lab.client.ListContainers()).containers] == [ours]
    assert [each.id for each in (await lab.client.ListPodSandbox()).items] == [pod.id]
    assert [each.attributes.id for each in (await lab.client.ListContainerStats()).stats] == [ours]
    assert (await docker(engine, "ps", "--all", "--quiet", "--no-trunc")).split() == [theirs]
    await docker(engine, "tag", lab.busybox, "only-docker:1")
    assert "only-docker" not in str((await lab.client.ListImages()).images)
    assert lab.pause not in await docker(engine, "images", "--format", "{{.Repository}}:{{.Tag}}")
    await pod.remove()
    await docker(engine, "rm", "--force", theirs)


async def test_a_restart_of_one_leaves_the_other(lab: Lab, engine: DockerEngine) -> None:
    """The daemon is killed and recovers, the engine likewise; all processes keep running under their pids."""
    theirs = await run_in_docker(engine, lab)
    pod, ours = await run_pod(lab)
    before = await state(engine, theirs)
    assert before[0] == "running"
    await asyncio.to_thread(lab.bridge.daemon.kill9)
    await asyncio.to_thread(lab.bridge.start)
    assert await state(engine, theirs) == before
    assert Path(f"/proc/{before[1]}").exists()
    pid = json.loads((await lab.client.ContainerStatus(container_id=ours, verbose=True)).info["info"])["pid"]
    await asyncio.to_thread(engine.daemon.stop)
    assert [each.id for each in (await lab.client.ListContainers()).containers] == [ours]
    assert Path(f"/proc/{pid}").exists()
    await asyncio.to_thread(engine.start)
    await pod.remove()
    await docker(engine, "rm", "--force", theirs)


async def test_the_end_of_one_is_not_the_others(lab: Lab, engine: DockerEngine) -> None:
    """Removing a pod leaves the engine's container, and the other way round; the daemon's log has no word of it."""
    theirs = await run_in_docker(engine, lab)
    pod, ours = await run_pod(lab)
    other, _ = await run_pod(lab)
    length = len(lab.bridge.daemon.log.read_text())
    await other.remove()
    assert (await state(engine, theirs))[0] == "running"
    await docker(engine, "rm", "--force", theirs)
    assert [each.id for each in (await lab.client.ListContainers()).containers] == [ours]
    assert theirs not in lab.bridge.daemon.log.read_text()[length:]
    await pod.remove()


async def test_images_of_one_name_are_removed_one_by_one(lab: Lab, engine: DockerEngine) -> None:
    """The same image is in both; without it on one side, the other still starts containers from it."""
    await lab.client.RemoveImage(image={"image": lab.busybox})
    theirs = await run_in_docker(engine, lab)
    await docker(engine, "rm", "--force", theirs)
    await lab.client.PullImage(image={"image": lab.busybox})
    await docker(engine, "rmi", "--force", lab.busybox)
    pod, _ = await run_pod(lab)
    await pod.remove()
    await docker(engine, "pull", "--quiet", lab.busybox)


async def test_wipe_leaves_the_engine(lab: Lab, engine: DockerEngine) -> None:
    """After `cri-shim wipe --yes` there is no pod, and the engine's container and image are as they were."""
    theirs = await run_in_docker(engine, lab)
    before = await state(engine, theirs)
    images = await docker(engine, "images", "--no-trunc", "--quiet")
    await run_pod(lab)
    await asyncio.to_thread(lab.bridge.daemon.stop)
    command = [*program(), "wipe", "--config", str(lab.bridge.config_file), "--yes"]
    environment = {**os.environ, **interpreter_settings()}
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.containerd.ctr("containers", "list", "--quiet").split() == []
    assert await state(engine, theirs) == before
    assert await docker(engine, "images", "--no-trunc", "--quiet") == images
    await docker(engine, "restart", "--time", "0", theirs)
    assert (await state(engine, theirs))[0] == "running"
    await asyncio.to_thread(lab.bridge.start)
    for image in (lab.pause, lab.busybox):
        await lab.client.PullImage(image={"image": image})
    await docker(engine, "rm", "--force", theirs)


async def test_the_doctor_has_nothing_against_it(lab: Lab, engine: DockerEngine) -> None:
    """What it says of the node does not name the engine, its namespace or its containers."""
    theirs = await run_in_docker(engine, lab)
    command = [*program(), "doctor", "--config", str(lab.bridge.config_file), "-o", "json"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=120, check=False)
    assert json.loads(done.stdout)
    assert not [word for word in (theirs, NAMESPACE, "docker") if word in done.stdout.replace(str(lab.directory), "")]
    await docker(engine, "rm", "--force", theirs)
