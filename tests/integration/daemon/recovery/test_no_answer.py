"""containerd answers some question of ours with an error or not at all: nothing is concluded from that."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import grpc
import pytest

from containerd_client import Containerd
from containerd_client.api.containerd.services.tasks.v1 import tasks_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.faults.fault_proxy import Fault
from lab.pod_configs import sh
from tests.integration.daemon.conftest import run_pod

if TYPE_CHECKING:
    from lab.faults.fault_proxy import FaultProxy
    from lab.lab import Lab

pytestmark = pytest.mark.usefixtures("nothing_left")

TASKS = "containerd.services.tasks.v1.Tasks"
GET, LIST, DELETE = f"{TASKS}/Get", f"{TASKS}/List", f"{TASKS}/Delete"


@pytest.fixture(scope="module")
def _node(_proxied_node: tuple[Lab, FaultProxy]) -> Lab:
    return _proxied_node[0]


async def restart(lab: Lab) -> None:
    """Kill the daemon and start it anew; it must serve."""
    await asyncio.to_thread(lab.bridge.kill9)
    await asyncio.to_thread(lab.bridge.start)


FAULTS = {
    "unavailable": {GET: Fault(grpc.StatusCode.UNAVAILABLE), LIST: Fault(grpc.StatusCode.UNAVAILABLE)},
    "shim gone": {GET: Fault(grpc.StatusCode.UNKNOWN, "ttrpc: closed: unknown"), LIST: Fault(grpc.StatusCode.UNKNOWN)},
    "left out": {GET: Fault(grpc.StatusCode.DEADLINE_EXCEEDED), LIST: Fault(answer=tasks_pb2.ListTasksResponse())},
    "silence": {GET: Fault(), LIST: Fault()},
    "no status": {
        GET: Fault(answer=tasks_pb2.GetResponse(process=task_types.Process(status=task_types.UNKNOWN))),
        LIST: Fault(answer=tasks_pb2.ListTasksResponse()),
    },
}


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS)
async def test_a_restart_without_answers(lab, proxy, faults):
    """A container that runs is unknown and stays untouched; when there are answers, it is what it was."""
    pod = await run_pod(lab)
    container = await pod.start(command=sh("while [ ! -e /tmp/end ]; do sleep 0.1; done; sleep 1; exit 3"))
    written = (lab.bridge.root / "containers" / container.id / "status").read_bytes()
    proxy.faults.update(faults)
    await restart(lab)
    status = (await lab.client.ContainerStatus(container_id=container.id)).status
    assert status.state == cri.CONTAINER_UNKNOWN
    assert "could not be queried" in status.message
    assert (await pod.status()).state == cri.SANDBOX_NOTREADY
    assert (lab.bridge.root / "containers" / container.id / "status").read_bytes() == written
    async with Containerd(lab.containerd.address, namespace="k8s.io") as containerd:
        assert (await containerd.tasks.get(container.id)).status == task_types.RUNNING
    proxy.faults.clear()
    await container.until(lambda current: current.state == cri.CONTAINER_RUNNING)
    async with asyncio.timeout(15):
        while (await pod.status()).state != cri.SANDBOX_READY:
            await asyncio.sleep(0.05)
    assert await container.output("touch /tmp/end; echo fine") == "fine"
    assert (await container.ended()).exit_code == 3
    await pod.remove()


async def test_what_has_ended_without_an_answer(lab, proxy):
    """An exit that the daemon missed is not invented while containerd does not answer: its code is 7."""
    pod = await run_pod(lab)
    container = await pod.start(command=sh("while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 7"))
    proxy.faults.update(FAULTS["unavailable"])
    await asyncio.to_thread(lab.bridge.kill9)
    await asyncio.to_thread(lab.containerd.ctr, "tasks", "exec", "--exec-id", "end", container.id, "touch", "/tmp/end")
    await asyncio.to_thread(lab.bridge.start)
    status = (await lab.client.ContainerStatus(container_id=container.id)).status
    assert (status.state, status.exit_code, status.finished_at) == (cri.CONTAINER_UNKNOWN, 0, 0)
    proxy.faults.clear()
    assert (await container.ended()).exit_code == 7
    await pod.remove()


@pytest.mark.parametrize("method", ["Leases/Delete", "Leases/List", "Version/Version", "Introspection/Plugins"])
async def test_what_a_start_can_do_without(lab, proxy, method):
    """Leases of an earlier daemon, containerd's version and its plugins: the node serves without."""
    service = method.partition("/")[0]
    proxy.faults[f"containerd.services.{service.lower()}.v1.{method}"] = Fault(grpc.StatusCode.UNKNOWN)
    await restart(lab)
    pod = await run_pod(lab)
    await pod.start()
    await pod.remove()


async def test_a_stop_whose_poll_is_not_answered(lab, proxy):
    """An unknown container that is stopped is not taken for ended because a look fails; its real exit is recorded."""
    pod = await run_pod(lab)
    container = await pod.start()
    proxy.faults.update(FAULTS["unavailable"])
    await restart(lab)
    assert (await lab.client.ContainerStatus(container_id=container.id)).status.state == cri.CONTAINER_UNKNOWN
    await container.stop()
    assert (await container.status()).exit_code == 137
    proxy.faults.clear()
    await pod.remove()


async def test_what_the_client_gets_as_error(lab, proxy):
    """The reason of an unknown state is in the verbose status too."""
    pod = await run_pod(lab)
    container = await pod.start()
    proxy.faults.update(FAULTS["shim gone"])
    await restart(lab)
    verbose = await lab.client.PodSandboxStatus(pod_sandbox_id=pod.id, verbose=True)
    assert "ttrpc: closed" in json.loads(verbose.info["info"])["trouble"]
    proxy.faults.clear()
    await container.until(lambda status: status.state == cri.CONTAINER_RUNNING)
    await pod.remove()


async def test_a_record_that_was_made_without_an_answer(lab, proxy):
    """A container whose record containerd wrote and did not own up to is undone with its record."""
    pod = await run_pod(lab)
    proxy.faults["containerd.services.containers.v1.Containers/Create"] = Fault(
        grpc.StatusCode.UNKNOWN, done=True, times=1
    )
    before = await asyncio.to_thread(lab.containerd.ctr, "containers", "list", "--quiet")
    code, _ = await failure(pod.create())
    assert code == grpc.StatusCode.UNKNOWN
    assert await asyncio.to_thread(lab.containerd.ctr, "containers", "list", "--quiet") == before
    await pod.remove()


async def test_a_task_that_is_not_deleted_at_once(lab, proxy):
    """One error is no end: the removal tries again, and what hangs on the record goes before it."""
    pod = await run_pod(lab)
    container = await pod.start()
    await container.stop()
    proxy.faults[DELETE] = Fault(grpc.StatusCode.UNKNOWN, times=1)
    await container.remove()
    assert container.id not in await asyncio.to_thread(lab.containerd.ctr, "tasks", "list", "--quiet")
    proxy.faults[DELETE] = Fault(grpc.StatusCode.UNKNOWN, times=1)
    await pod.remove()


async def test_a_task_that_cannot_be_deleted(lab, proxy):
    """The removal fails with containerd's words, and works when containerd does."""
    pod = await run_pod(lab)
    container = await pod.start()
    proxy.faults[DELETE] = Fault(grpc.StatusCode.UNKNOWN, "the shim is in a bad mood")
    await container.stop()
    for call in (container.remove(), lab.client.RemovePodSandbox(pod_sandbox_id=pod.id)):
        _, why = await failure(call)
        assert "the shim is in a bad mood" in why
    assert [one.id for one in (await lab.client.ListContainers()).containers] == [container.id]
    assert [one.id for one in (await lab.client.ListPodSandbox()).items] == [pod.id]
    proxy.faults.clear()
    await container.remove()
    await pod.remove()
