"""The script in front of the shim's program, on a real containerd: what it saves, and what it must not change."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.bridge import merged
from lab.processes import gone
from tests.integration.daemon.conftest import run_pod
from tests.integration.daemon.counting_lab import CountingLab, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def _node() -> AsyncIterator[CountingLab]:
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    async with CountingLab("bridge") as lab:
        yield lab


@pytest.fixture(autouse=True)
def _no_calls_yet(lab: CountingLab) -> None:
    lab.calls_file.unlink(missing_ok=True)


def program_is_noted(lab: CountingLab, id_: str) -> bool:
    """Return whether containerd would run the program for a container after a restart."""
    return lab.noted(id_) == str(lab.counting)


async def restart(lab: CountingLab, **containerd: object) -> None:
    """Start the daemon again, with other settings."""
    lab.bridge.settings = merged(lab.settings, {"containerd": containerd})
    await asyncio.to_thread(lab.bridge.restart)


async def test_a_pod_takes_one_call_of_the_program(lab):
    """Its further containers and all ends take none, and containerd notes the program for its next start."""
    pod = await run_pod(lab)
    first, second = await pod.start(), await pod.start()
    assert await first.output("echo here") == "here"
    assert {pod.id, first.id, second.id} <= set(lab.containerd.ctr("tasks", "list", "--quiet").split())
    for each in (pod, first, second):
        await until(partial(program_is_noted, lab, each.id))
    assert len({os.stat(f"/proc/{pid}/exe").st_ino for pid, _ in lab.containerd.shims()}) == 1
    await first.stop()
    await first.remove()
    assert await second.output("echo still here") == "still here"
    await pod.remove()
    assert lab.calls() == [f"start {pod.id}"]


async def test_switched_off_the_program_is_called_each_time(lab):
    """Also for containers of a pod that was made with the script, and the other way round."""
    pod = await run_pod(lab)
    try:
        await restart(lab, shim_script=False)
        one = await pod.start()
        later = await run_pod(lab)
    finally:
        await restart(lab)
    two = await later.start()
    assert lab.calls() == [f"start {pod.id}", f"start {one.id}", f"start {later.id}"]
    assert await one.output("echo 1") + await two.output("echo 2") == "12"
    await pod.remove()
    await later.remove()
    assert lab.calls()[3:] == [f"delete {one.id}", f"delete {later.id}"]


async def test_containerd_starts_again_without_the_script(lab):
    """It was removed with all of cri-shim while pods run: they run on, and end as ever."""
    pod = await run_pod(lab)
    container = await pod.start()
    for each in (pod, container):
        await until(partial(program_is_noted, lab, each.id))
    lab.script.unlink()
    await asyncio.to_thread(lab.containerd.restart)
    await restart(lab)  # which makes the script again, for the tests to come
    assert (await container.until(lambda status: status.state == cri.CONTAINER_RUNNING)).exit_code == 0
    assert await container.output("echo still here") == "still here"
    await container.stop()
    await pod.remove()


async def test_a_script_that_cannot_be_run_is_done_without(lab):
    """It is made again for the next task."""
    lab.script.chmod(0o644)
    pod = await run_pod(lab)
    await until(lambda: os.access(lab.script, os.X_OK))
    container = await pod.start()
    assert await container.output("echo here") == "here"
    assert lab.calls() == [f"start {pod.id}"]
    await pod.remove()
    assert lab.calls() == [f"start {pod.id}", f"delete {pod.id}"]


async def test_on_a_file_system_without_programs_the_script_is_given_up(lab):
    """The daemon says so once."""
    await asyncio.to_thread(lab.bridge.stop)
    subprocess.run(["mount", "--bind", lab.root, lab.root], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,noexec", lab.root], check=True)
        await asyncio.to_thread(lab.bridge.start)
        pod = await run_pod(lab)
        containers = [await pod.start() for _ in range(3)]
        assert [await each.output("echo here") for each in containers] == ["here"] * 3
        assert lab.calls() == [f"start {id_}" for id_ in (pod.id, *(each.id for each in containers))]
        assert lab.bridge.log.count("event=shim_calls.not_used") == 1
        await pod.remove()
    finally:
        await asyncio.to_thread(lab.bridge.stop)
        subprocess.run(["umount", lab.root], check=True)
        await asyncio.to_thread(lab.bridge.start)


async def test_a_shell_that_complains_spoils_the_answer(lab):
    """As bash does about a locale that is not installed: the shim that was started is ended before the next try."""
    said = lab.script.read_text()
    noisy = lab.script.with_name("noisy")
    noisy.write_text(said.replace("\n", "\necho setlocale: cannot change locale >&2\n", 1))
    noisy.chmod(0o755)
    noisy.replace(lab.script)
    pod = await run_pod(lab)
    container = await pod.start()
    assert await container.output("echo here") == "here"
    assert lab.calls() == [f"start {pod.id}", f"start {pod.id}"]
    assert len([pid for pid, arguments in lab.containerd.shims() if pod.id in arguments]) == 1
    assert lab.script.read_text() == said
    await pod.remove()


async def test_the_shim_dies_before_the_container_starts(lab):
    """The start fails or makes a shim of its own; either way nothing is left when the pod is removed."""
    pod = await run_pod(lab)
    container = await pod.create()
    lab.kill_shim(pod.id)
    with contextlib.suppress(grpc.aio.AioRpcError):
        await container.start()
    await until(lambda: f"delete {pod.id}" in lab.calls())
    await pod.remove()


async def test_the_shim_dies_under_a_running_container(lab):
    """The program then undoes what the shim has left: runc still knows the containers."""
    pod = await run_pod(lab)
    container = await pod.start()
    pids = [int(line.split()[1]) for line in lab.containerd.ctr("tasks", "list").splitlines()[1:]]
    lab.kill_shim(pod.id)
    ended = await container.ended()
    assert ended.exit_code != 0
    await until(lambda: all(map(gone, pids)))
    assert sorted(lab.calls()[1:]) == sorted([f"delete {pod.id}", f"delete {container.id}"])
    await pod.remove()


async def test_a_daemon_that_was_killed_goes_on(lab):
    """A container of the pod of an earlier daemon shares the pod's shim, too."""
    pod = await run_pod(lab)
    lab.bridge.kill9()
    await asyncio.to_thread(lab.bridge.start)
    container = await pod.start()
    assert await container.output("echo here") == "here"
    await pod.remove()
    assert lab.calls() == [f"start {pod.id}"]
