"""Tasks whose records have gone: the next start of the daemon ends them, and leaves alone what has a record."""

from __future__ import annotations

import asyncio
import time

import pytest

from containerd_client import Containerd, call_options
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.containerd import mounts_below
from lab.patience import patient
from lab.pod_configs import sh
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")


async def lose_records(lab, *ids):
    """Delete records behind the daemon's back, as ``ctr`` refuses to while there is a task."""
    async with Containerd(lab.containerd.address, namespace="k8s.io") as client:
        with call_options(timeout=10):
            for id_ in ids:
                await client.containers.delete(id_)


def traces(lab, *ids):
    """Tasks, root mounts and cgroups that are named after the ids."""
    tasks = lab.containerd.ctr("tasks", "list", "--quiet").split()
    places = [*mounts_below(lab.containerd.directory), *map(str, lab.cgroups())]
    return [f"task {id_}" for id_ in ids if id_ in tasks] + [place for place in places if any(i in place for i in ids)]


async def all_gone(lab, *ids):
    """Wait until nothing is left of them."""
    deadline = time.monotonic() + patient(30)
    while left := await asyncio.to_thread(traces, lab, *ids):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("containerd_forgets", [False, True], ids=["containerd knows", "containerd forgot"])
async def test_a_container_and_a_whole_pod(lab, containerd_forgets):
    """Both are ended with shim, mounts and cgroups; the pod's other container and other pods run on."""
    pod, lost = await run_pod(lab), await run_pod(lab, network=cri.NODE)
    remaining, orphaned, member = await pod.start(), await pod.start(), await lost.start(command=sh("sleep 1000"))
    ids = [orphaned.id, member.id, lost.id]
    lab.bridge.stop()
    await lose_records(lab, *ids)
    if containerd_forgets:
        await asyncio.to_thread(lab.containerd.restart)
    assert await asyncio.to_thread(traces, lab, *ids)
    await asyncio.to_thread(lab.bridge.start)
    await all_gone(lab, *ids)
    assert not [arguments for _, arguments in lab.containerd.shims() if lost.id in arguments]
    assert await remaining.output("echo still here") == "still here"
    assert [one.id for one in (await lab.client.ListContainers()).containers] == [remaining.id]
    assert "orphaned" in lab.bridge.log
    await pod.remove()


async def test_the_network_of_a_pod(lab):
    """Its address, interface and rules are given back, as its record's removal would have done it."""
    ports = [cri.PortMapping(protocol=cri.TCP, container_port=80, host_port=27431)]
    pod = await run_pod(lab, port_mappings=ports)
    assert lab.network.reservations()
    await asyncio.to_thread(lab.bridge.kill9)
    await lose_records(lab, pod.id)
    await asyncio.to_thread(lab.bridge.start)
    await all_gone(lab, pod.id)
    deadline = time.monotonic() + patient(30)
    network = lab.network
    while left := [*network.reservations(), *network.cached_results(), *network.veths(), *network.iptables_rules()]:
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.2)


async def test_a_record_that_goes_before_the_removal(lab):
    """The container is removed all the same, and its task with it: nothing waits for the next start."""
    pod = await run_pod(lab)
    container = await pod.start()
    await lose_records(lab, container.id)
    await container.remove()
    assert not await asyncio.to_thread(traces, lab, container.id)
    await pod.remove()


async def test_what_has_a_record_is_left_alone(lab):
    """A container of another client of the same namespace runs on, whatever its record says of whose it is."""
    snapshots = lab.containerd.ctr("images", "list", "--quiet").split()
    image = next(name for name in snapshots if "busybox" in name and "@" not in name)
    lab.containerd.ctr(
        "run", "--detach", "--runc-root", str(lab.directory / "containerd" / "runc"), image, "other", "sleep", "1000"
    )
    try:
        await asyncio.to_thread(lab.bridge.restart)
        await asyncio.sleep(1)
        assert "RUNNING" in next(line for line in lab.containerd.ctr("tasks", "list").splitlines() if "other" in line)
    finally:
        lab.containerd.ctr("tasks", "kill", "--signal", "9", "other")
        await asyncio.sleep(0.5)
        lab.containerd.ctr("tasks", "delete", "other")
        lab.containerd.ctr("containers", "delete", "other")
