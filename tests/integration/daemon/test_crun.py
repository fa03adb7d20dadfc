"""Pods under crun, which keeps its state in other files than runc: they run, they end, and nothing of them is left."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.debian import oci_runtimes
from lab.debian.packages import NotAvailableError
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
    if oci_runtimes.refuses_hybrid_cgroups():
        pytest.skip("crun refuses cgroup v2 controllers beside v1")
    try:
        program = oci_runtimes.program("crun")
    except NotAvailableError as error:
        pytest.skip(str(error))
    handler = {"runtime_type": "io.containerd.runc.v2", "options": {"BinaryName": str(program)}}
    async with CountingLab("bridge", settings={"containerd": {"runtimes": {"runc": handler}}}) as lab:
        yield lab


@pytest.fixture(autouse=True)
def _no_calls_yet(lab: CountingLab) -> None:
    lab.calls_file.unlink(missing_ok=True)


def known_to_crun(lab: CountingLab) -> set[str]:
    """Return the containers whose state it keeps."""
    root = lab.bridge.runc_root
    assert root is not None
    return {path.name for path in (root / "k8s.io").iterdir() if not path.name.startswith(".")}


async def test_a_pod_takes_one_call_of_the_shims_program(lab):
    """crun, too, has forgotten a container that its shim has deleted, so the script's answer is right."""
    pod = await run_pod(lab)
    first, second = await pod.start(), await pod.start()
    assert known_to_crun(lab) == {pod.id, first.id, second.id}
    assert [await each.output("echo here") for each in (first, second)] == ["here", "here"]
    await first.stop()
    await first.remove()
    assert known_to_crun(lab) == {pod.id, second.id}
    await pod.remove()
    assert not known_to_crun(lab)
    assert lab.calls() == [f"start {pod.id}"]


async def test_a_program_that_is_not_there(lab):
    """crun says so when it makes the container, and the client is told; the pod goes on."""
    pod = await run_pod(lab)
    with pytest.raises(grpc.aio.AioRpcError, match="no-such-program"):
        await pod.start(command=["/no-such-program"])
    container = await pod.start()
    assert await container.output("echo here") == "here"
    await pod.remove()
    assert not known_to_crun(lab)


async def test_the_shim_dies_under_a_running_container(lab):
    """crun still knows the containers then, so the shim's program is called to undo what the shim has left."""
    pod = await run_pod(lab)
    container = await pod.start()
    pids = [int(line.split()[1]) for line in lab.containerd.ctr("tasks", "list").splitlines()[1:]]
    lab.kill_shim(pod.id)
    assert (await container.ended()).exit_code != 0
    await until(lambda: all(map(gone, pids)))
    assert sorted(lab.calls()[1:]) == sorted([f"delete {pod.id}", f"delete {container.id}"])
    await pod.remove()
    assert not known_to_crun(lab)


async def test_a_container_outlives_the_daemon(lab):
    """A daemon that was killed finds it again, and ends it."""
    pod = await run_pod(lab)
    container = await pod.start()
    lab.bridge.kill9()
    await asyncio.to_thread(lab.bridge.start)
    assert (await container.until(lambda status: status.state == cri.CONTAINER_RUNNING)).exit_code == 0
    await pod.remove()
    assert not known_to_crun(lab)
