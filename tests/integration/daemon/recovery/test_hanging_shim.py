"""A shim that hangs, while the daemon is restarted and while its pod is stopped: it costs its own pod only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.sync.liveness import SILENT
from cri_shim.sync.orphaned_shims import find_shims
from lab.bridge import program
from lab.cri_client import failure
from lab.pod_configs import sh
from tests.integration.daemon.conftest import run_pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lab.lab import Lab
    from lab.pods import Pod

pytestmark = pytest.mark.usefixtures("nothing_left")


@contextlib.asynccontextmanager
async def hanging(pod: Pod) -> AsyncIterator[None]:
    """Stop the pod's shim for the time of a block."""
    [shim] = await asyncio.to_thread(find_shims, "k8s.io", {pod.id})
    os.kill(shim, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(shim, signal.SIGCONT)


async def restart(lab: Lab) -> None:
    """Kill the daemon and start it anew; it must serve."""
    await asyncio.to_thread(lab.bridge.kill9)
    await asyncio.to_thread(lab.bridge.start)


async def status(lab, container):
    """A container's status."""
    return (await lab.client.ContainerStatus(container_id=container.id)).status


async def until(ask, wanted, seconds=20.0):
    """Ask until the answer is ``wanted``."""
    async with asyncio.timeout(seconds):
        while (answer := await ask()) != wanted:
            await asyncio.sleep(0.05)
    return answer


async def test_a_restart_while_a_shim_hangs(lab):
    """Its pod is unknown until it answers; all others serve. Then it is what it was, its log and its end included."""
    silent, good = await run_pod(lab), await run_pod(lab)
    script = "i=0; while [ ! -e /tmp/end ]; do i=$((i+1)); echo line $i; sleep 0.1; done; sleep 1; exit 3"
    held = await silent.start(command=sh(script))
    neighbour = await good.start()
    async with hanging(silent):
        await restart(lab)
        shown = await status(lab, held)
        assert shown.state == cri.CONTAINER_UNKNOWN
        assert shown.reason == "Unknown"
        assert "could not be queried" in shown.message
        assert not shown.finished_at
        assert (await silent.status()).state == cri.SANDBOX_NOTREADY
        assert (await good.status()).state == cri.SANDBOX_READY
        assert await neighbour.output("echo fine") == "fine"
        another = await run_pod(lab)
        await another.start()
        await another.remove()
        code, why = await failure(silent.create())
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert "unknown state" in why
        assert (await status(lab, held)).state == cri.CONTAINER_UNKNOWN

    async def state():
        return (await status(lab, held)).state

    await until(state, cri.CONTAINER_RUNNING)

    async def pod_state():
        return (await silent.status()).state

    await until(pod_state, cri.SANDBOX_READY)
    before = held.log.read_text()
    async with asyncio.timeout(60):
        while held.log.read_text() == before:
            await asyncio.sleep(0.05)
    assert await held.output("touch /tmp/end; echo fine") == "fine"
    await until(state, cri.CONTAINER_EXITED)
    assert (await status(lab, held)).exit_code == 3
    await silent.remove()
    await good.remove()


async def test_a_stop_while_a_shim_hangs(lab):
    """It fails with a sentence, delays no other pod, invents no exit, and works when the shim goes on."""
    silent, good = await run_pod(lab), await run_pod(lab)
    held = await silent.start()
    async with hanging(silent):
        failing = [
            asyncio.ensure_future(failure(lab.client.StopPodSandbox(pod_sandbox_id=silent.id))),
            asyncio.ensure_future(failure(lab.client.RemovePodSandbox(pod_sandbox_id=silent.id))),
            asyncio.ensure_future(failure(lab.client.StopContainer(container_id=held.id, timeout=1))),
        ]
        neighbour = await good.start()
        assert await neighbour.output("echo fine") == "fine"
        await good.remove()
        for code, why in await asyncio.gather(*failing):
            assert code == grpc.StatusCode.UNAVAILABLE
            assert "does not answer" in why
        assert (await status(lab, held)).state == cri.CONTAINER_RUNNING
        assert silent.id in {pod.id for pod in (await lab.client.ListPodSandbox()).items}
    await silent.remove()


async def test_a_restart_while_containerd_hangs(lab):
    """A containerd that takes connections and answers nothing: Status says so, and all is well when it goes on."""
    pod = await run_pod(lab)
    container = await pod.start()
    containerd = lab.containerd.daemon.pid
    await asyncio.to_thread(lab.bridge.kill9)
    os.kill(containerd, signal.SIGSTOP)
    try:
        before = lab.bridge.log.count("daemon.serving")
        serving = lambda: lab.bridge.log.count("daemon.serving") > before
        await asyncio.to_thread(lab.bridge.daemon.start, serving, 25)
        [condition] = [one for one in (await lab.client.Status()).status.conditions if one.type == "RuntimeReady"]
        assert not condition.status
        assert "containerd is away" in condition.message
        code, why = await failure(lab.client.ListContainers())
        assert code == grpc.StatusCode.UNAVAILABLE
        assert "containerd is away" in why
    finally:
        os.kill(containerd, signal.SIGCONT)
    async with asyncio.timeout(60):
        while not lab.bridge.answers():
            await asyncio.sleep(0.1)
    assert await container.output("echo fine") == "fine"
    await pod.remove()


async def test_a_containerd_that_hangs_while_the_daemon_serves(lab):
    """Status and ``cri-shim status`` say so within seconds, lists and ends of processes go on, and it passes."""
    pod = await run_pod(lab)
    container = await pod.start()

    async def ready():
        [condition] = [one for one in (await lab.client.Status()).status.conditions if one.type == "RuntimeReady"]
        return condition.status

    assert await ready()
    os.kill(lab.containerd.daemon.pid, signal.SIGSTOP)
    try:
        await until(ready, wanted=False)
        [condition] = [one for one in (await lab.client.Status()).status.conditions if one.type == "RuntimeReady"]
        assert (condition.reason, condition.message) == ("ContainerdNotReady", SILENT)
        assert [one.id for one in (await lab.client.ListContainers()).containers] == [container.id]
        shown = await asyncio.to_thread(status_page, lab.bridge)
        assert shown.returncode == 1
        assert "containerd holds its connections" in " ".join(shown.stdout.split())
    finally:
        os.kill(lab.containerd.daemon.pid, signal.SIGCONT)
    await until(ready, wanted=True)
    assert await container.output("echo fine") == "fine"
    await pod.remove()


def status_page(bridge):
    """Run ``cri-shim status`` for the daemon."""
    command = [*program(), "status", "--config", str(bridge.config_file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
