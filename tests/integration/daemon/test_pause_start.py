"""RunPodSandbox answers when the pause container is there and about to run: what that means for whoever comes next.

The way to containerd is a slow one here, so that the start of the pause container is certainly still on it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio

from containerd_client import Containerd
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from tests.integration.daemon.conftest import run_pod, slow_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from lab.faults.slow_socket import SlowSocket
    from lab.lab import Lab

pytestmark = pytest.mark.usefixtures("nothing_left")

LATE = 0.5
"""Seconds that a request to containerd takes to get there."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _slow_node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Lab, SlowSocket]]:
    async with slow_node(tmp_path_factory.mktemp("cni"), {}) as node:
        yield node


@pytest.fixture(scope="session")
def _node(_slow_node: tuple[Lab, SlowSocket]) -> Lab:
    return _slow_node[0]


@pytest.fixture
def slow(_slow_node: tuple[Lab, SlowSocket]) -> Iterator[SlowSocket]:
    """The way to containerd, slow for the time of a test."""
    way = _slow_node[1]
    way.seconds = LATE
    yield way
    way.release()


async def run_held_pod(lab, slow):
    """Run a pod, and hold the start of its pause container from the moment that containerd begins to create it.

    The creation takes a shim and runc, and the start cannot be sent before it has ended, so it cannot slip through.
    """
    bundles = lab.containerd.directory / "state" / "io.containerd.runtime.v2.task" / "k8s.io"
    before = set(bundles.glob("*"))
    running = asyncio.create_task(run_pod(lab))
    while set(bundles.glob("*")) <= before and not running.done():
        await asyncio.sleep(0.005)
    slow.hold()
    return await running


async def pause_of(lab, pod):
    """What containerd, asked directly, says of a pod's pause container."""
    async with Containerd(lab.containerd.address, namespace="k8s.io") as containerd:
        return await containerd.tasks.get(pod.id)


async def state(pod):
    """The pod's state, as the kubelet sees it."""
    return (await pod.status()).state


async def until_start_failed(lab, pod, seconds=60.0):
    """Wait for the log to say that the pod's pause container could not be started."""
    async with asyncio.timeout(seconds):
        while not any("sandbox.start_failed" in line and pod.id in line for line in lab.bridge.log.splitlines()):
            await asyncio.sleep(0.05)


async def test_a_container_starts_after_the_pause_container(lab, slow):
    """The pod is ready with its address before its pause container runs, and no container starts before it does."""
    pod = await run_held_pod(lab, slow)
    assert (await pause_of(lab, pod)).status == task_types.CREATED
    assert await state(pod) == cri.SANDBOX_READY
    assert await pod.ip()
    slow.release()
    container = await pod.start()
    assert (await pause_of(lab, pod)).status == task_types.RUNNING
    assert await container.output("echo fine") == "fine"
    await pod.remove()


async def test_it_can_be_removed_at_once(lab, slow):
    """A pod that is removed before its pause container runs goes without a trace."""
    pod = await run_pod(lab)
    slow.release()
    await pod.remove()
    assert pod.id not in await asyncio.to_thread(lab.containerd.ctr, "tasks", "list", "--quiet")


async def test_a_pause_container_that_does_not_start(lab, slow):
    """The pod is not ready any more, which the log explains, and can be removed."""
    pod = await run_held_pod(lab, slow)
    os.kill((await pause_of(lab, pod)).pid, signal.SIGKILL)
    slow.release()
    await until_start_failed(lab, pod)
    assert await state(pod) == cri.SANDBOX_NOTREADY
    code, why = await failure(pod.create())
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "is not running" in why
    await pod.remove()


async def test_a_daemon_that_dies_in_between(lab, slow):
    """The pause container of a daemon that died before it was started is of no use: the pod is not ready."""
    pod = await run_held_pod(lab, slow)
    await asyncio.to_thread(lab.bridge.kill9)
    slow.release()
    await asyncio.to_thread(lab.bridge.start)
    assert await state(pod) == cri.SANDBOX_NOTREADY
    assert pod.id not in await asyncio.to_thread(lab.containerd.ctr, "tasks", "list", "--quiet")
    await pod.remove()


async def test_a_daemon_that_ends_in_between(lab, slow):
    """A daemon that gets SIGTERM starts the pause container before it ends."""
    pod = await run_held_pod(lab, slow)
    assert (await pause_of(lab, pod)).status == task_types.CREATED
    stopping = asyncio.create_task(asyncio.to_thread(lab.bridge.stop))
    await asyncio.sleep(LATE)
    slow.release()
    assert await stopping == 0
    assert (await pause_of(lab, pod)).status == task_types.RUNNING
    await asyncio.to_thread(lab.bridge.start)
    assert await state(pod) == cri.SANDBOX_READY
    await pod.remove()


async def test_a_connection_that_breaks_in_between(lab, slow):
    """A start that is lost on its way is made again, and what is read anew meanwhile leaves the pod alone."""
    pod = await run_held_pod(lab, slow)
    assert (await pause_of(lab, pod)).status == task_types.CREATED
    read_before = lab.bridge.log.count("recovery.done")
    await slow.hang_up()
    slow.release()
    async with asyncio.timeout(60):
        while lab.bridge.log.count("recovery.done") == read_before:
            await asyncio.sleep(0.05)
    container = await pod.start()
    assert (await pause_of(lab, pod)).status == task_types.RUNNING
    assert await state(pod) == cri.SANDBOX_READY
    assert await container.output("echo fine") == "fine"
    await pod.remove()
