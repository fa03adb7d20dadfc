"""RunPodSandbox answers before the pod's addresses are in its record: what that means for whoever comes next.

The way to containerd is a slow one here, so that they are certainly still on it. The pods are pinned ones, which have
nothing else under way then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio

from containerd_client import Containerd
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.state.stored.metadata import read_sandbox
from lab.cri_client import failure
from tests.integration.daemon.conftest import run_pod, slow_node
from tests.integration.daemon.test_pause_start import slow, state

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lab.faults.slow_socket import SlowSocket
    from lab.lab import Lab

pytestmark = pytest.mark.usefixtures("nothing_left")

__all__ = ["slow"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _slow_node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Lab, SlowSocket]]:
    async with slow_node(tmp_path_factory.mktemp("cni"), {"sandbox": {"infra": "pinned"}}) as node:
        yield node


@pytest.fixture(scope="session")
def _node(_slow_node: tuple[Lab, SlowSocket]) -> Lab:
    return _slow_node[0]


async def recorded(lab, pod):
    """The addresses in the pod's record, by containerd, asked directly."""
    async with Containerd(lab.containerd.address, namespace="k8s.io") as containerd:
        return read_sandbox(await containerd.containers.get(pod.id)).ips


async def test_a_container_starts_after_the_record_is_complete(lab, slow):
    """The pod has its address before its record has, and no container starts before that."""
    pod = await run_pod(lab)
    assert await recorded(lab, pod) == ()
    assert await state(pod) == cri.SANDBOX_READY
    ip = await pod.ip()
    assert ip
    slow.seconds = 0.0
    container = await pod.start()
    assert await recorded(lab, pod) == (ip,)
    assert ip in await container.output("ip addr")
    await pod.remove()


async def test_it_can_be_removed_at_once(lab, slow):
    """A pod that is removed before its record is complete goes without a trace."""
    pod = await run_pod(lab)
    slow.seconds = 0.0
    await pod.remove()
    assert not (await lab.client.ListPodSandbox()).items


async def test_a_daemon_that_dies_in_between(lab, slow):
    """The next one does not know the pod's address: the pod is not ready, and its removal gives the address back."""
    pod = await run_pod(lab)
    slow.seconds = 0.0
    await asyncio.to_thread(lab.bridge.kill9)
    await asyncio.to_thread(lab.bridge.start)
    assert await state(pod) == cri.SANDBOX_NOTREADY
    await pod.remove()


async def test_a_daemon_that_ends_in_between(lab, slow):
    """A daemon that gets SIGTERM completes the record before it ends."""
    pod = await run_pod(lab)
    ip = await pod.ip()
    assert await asyncio.to_thread(lab.bridge.stop) == 0
    slow.seconds = 0.0
    await asyncio.to_thread(lab.bridge.start)
    assert await state(pod) == cri.SANDBOX_READY
    assert await pod.ip() == ip
    await pod.remove()


async def test_a_record_that_cannot_be_completed(lab, slow):
    """The pod is not ready any more, which the log explains; no container is made in it, and it can be removed."""
    pod = await run_pod(lab)
    await asyncio.to_thread(lab.containerd.ctr, "containers", "delete", pod.id)
    slow.seconds = 0.0
    async with asyncio.timeout(60):
        while "sandbox.network_not_recorded" not in lab.bridge.log:
            await asyncio.sleep(0.05)
    assert await state(pod) == cri.SANDBOX_NOTREADY
    code, why = await failure(pod.create())
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "its addresses could not be recorded" in why
    await pod.remove()
