"""Signals without the shim, on a real containerd with real processes: what arrives, and when containerd is asked.

What a request did is read from the ledger: a signal by way of containerd is a hop of it.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.bridge import merged
from lab.pod_configs import CONTAINER, NODE, POD, TARGET, sh
from tests.integration.daemon.conftest import run_pod
from tests.integration.tracing.conftest import get

if TYPE_CHECKING:
    from lab.lab import Lab

pytestmark = pytest.mark.usefixtures("nothing_left")

ASKED = 40
DEAF = sh("trap '' TERM; echo ready; while :; do sleep 3600 & wait $!; done")
IDS = [cri.IDMapping(host_id=100000, container_id=0, length=65536)]


def hearing(*signals: int) -> tuple[str, ...]:
    """Return a command that says when it is ready, and ends with a code for each signal."""
    traps = "; ".join(f"trap 'exit {ASKED + number}' {number}" for number in signals)
    return sh(f"{traps}; echo ready; while :; do sleep 3600 & wait $!; done")


async def kills_of(lab: Lab, method: str) -> int:
    """Return how many signals the newest request of a method has sent by way of containerd."""
    (newest,) = (await asyncio.to_thread(get, lab, f"/api/requests?method={method}&limit=1"))["requests"]
    hops = (await asyncio.to_thread(get, lab, f"/api/requests/{newest['id']}"))["hops"]
    return sum(hop["method"].endswith("Kill") for hop in hops)


@pytest.mark.parametrize(
    ("asked", "number"),
    [(cri.RUNTIME_DEFAULT, signal.SIGTERM), (cri.SIGUSR2, signal.SIGUSR2), (cri.SIGRTMINPLUS3, signal.SIGRTMIN + 3)],
    ids=["SIGTERM", "SIGUSR2", "SIGRTMIN+3"],
)
async def test_the_signal_arrives(lab, asked, number):
    """The first process gets the one that it is to get, and containerd is not asked."""
    pod = await run_pod(lab)
    container = await pod.start(command=hearing(signal.SIGTERM, signal.SIGUSR2, number), stop_signal=asked)
    await container.logged("ready")
    await container.stop(timeout=60)
    assert (await container.status()).exit_code == ASKED + number
    assert await kills_of(lab, "StopContainer") == 0
    await pod.remove()


@pytest.mark.parametrize("daemon", ["the same", "another"])
async def test_a_pod_is_ended(lab, daemon):
    """What does not hear is killed with all that it has started, by a later daemon too."""
    pod = await run_pod(lab)
    deaf, other = await pod.start(command=DEAF), await pod.start()
    await deaf.logged("ready")
    if daemon == "another":
        await asyncio.to_thread(lab.bridge.restart)
    await deaf.stop(timeout=1)
    assert (await deaf.status()).exit_code == 128 + signal.SIGKILL
    assert await kills_of(lab, "StopContainer") == 0
    await pod.stop()
    assert (await other.status()).state == cri.CONTAINER_EXITED
    assert (await pod.status()).state == cri.SANDBOX_NOTREADY
    assert await kills_of(lab, "StopPodSandbox") == 0
    await pod.remove()


async def test_a_pod_with_ids_of_its_own(lab):
    """The processes of a user namespace are signalled like any other."""
    features = {each.name: each.features for each in (await lab.client.Status()).runtime_handlers}
    if not features[""].user_namespaces:
        pytest.skip("this node cannot give pods user namespaces")
    mapping = cri.UserNamespace(mode=cri.POD, uids=IDS, gids=IDS)
    pod = await run_pod(lab, userns=mapping)
    container = await pod.start(userns=mapping, command=hearing(signal.SIGTERM))
    await container.logged("ready")
    await container.stop(timeout=60)
    assert (await container.status()).exit_code == ASKED + signal.SIGTERM
    assert await kills_of(lab, "StopContainer") == 0
    await pod.stop()
    assert await kills_of(lab, "StopPodSandbox") == 0
    await pod.remove()


@pytest.mark.parametrize("mode", [POD, NODE, TARGET], ids=["the pod's", "the node's", "another container's"])
async def test_a_shared_pid_namespace(lab, mode):
    """containerd is asked, and nothing of the container lives on; the pause process is killed without it."""
    pod = await run_pod(lab, pid=NODE if mode == NODE else POD if mode == POD else CONTAINER)
    target = (await pod.start()).id if mode == TARGET else ""
    container = await pod.start(pid=mode, target_id=target, command=sh("sleep 3600 & echo ready; wait $!"))
    await container.logged("ready")
    pids = await asyncio.to_thread(lab.containerd.ctr, "tasks", "ps", container.id)
    below = [int(line.split()[0]) for line in pids.splitlines()[1:]]
    assert len(below) > 1
    await container.stop()
    assert await kills_of(lab, "StopContainer") == 1
    assert (await container.status()).exit_code == 128 + signal.SIGKILL
    assert [pid for pid in below if Path(f"/proc/{pid}").exists()] == []
    await pod.stop()
    assert await kills_of(lab, "StopPodSandbox") == (1 if mode == NODE else 0)
    await pod.remove()


async def test_a_paused_container(lab):
    """It is killed at once. In cgroup v1 that takes the runtime, which thaws it."""
    pod = await run_pod(lab)
    container = await pod.start()
    await asyncio.to_thread(lab.containerd.ctr, "tasks", "pause", container.id)
    await container.stop()
    assert (await container.status()).exit_code == 128 + signal.SIGKILL
    is_v1 = not Path("/sys/fs/cgroup/cgroup.controllers").exists()
    assert await kills_of(lab, "StopContainer") == is_v1
    await pod.remove()


async def test_switched_off(lab):
    """containerd sends every signal."""
    pod = await run_pod(lab)
    container = await pod.start(command=hearing(signal.SIGTERM))
    await container.logged("ready")
    settings = lab.bridge.settings
    try:
        lab.bridge.settings = merged(lab.settings, {"containerd": {"direct_signals": False}})
        await asyncio.to_thread(lab.bridge.restart)
        await container.stop(timeout=60)
        assert (await container.status()).exit_code == ASKED + signal.SIGTERM
        assert await kills_of(lab, "StopContainer") == 1
        await pod.stop()
        assert await kills_of(lab, "StopPodSandbox") == 1
    finally:
        lab.bridge.settings = settings
        await asyncio.to_thread(lab.bridge.restart)
    await pod.remove()
