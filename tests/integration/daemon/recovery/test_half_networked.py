"""A pod of which only one half is there: its process without its network, or without the file of its namespace."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.pod_configs import pod_config
from lab.pods import Pod
from lab.processes import command_lines
from tests.integration.daemon.conftest import GRACE, run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")


async def only_pod(lab):
    """The one pod that is listed."""
    [item] = (await lab.client.ListPodSandbox()).items
    return item


async def netns_of(pod):
    """The file that its network namespace is bound to."""
    answer = await pod.client.PodSandboxStatus(pod_sandbox_id=pod.id, verbose=True)
    info = json.loads(answer.info["info"])
    namespaces = info["runtimeSpec"]["linux"]["namespaces"]
    path = next(entry["path"] for entry in namespaces if entry["type"] == "network")
    return Path(path)


def running(moody):
    """The processes of the plugin."""
    program = str(moody.mood_file.parent / "bin" / "moody")
    return [pid for pid, arguments in command_lines() if arguments[-1] == program]


async def test_a_daemon_that_is_killed_during_add(lab, moody):
    """The pod is not ready although its process runs; nothing is made in it, and its removal frees the address."""
    moody.be("hang-ADD")
    config = pod_config(cgroup_parent=lab.cgroup_parent)
    call = asyncio.ensure_future(lab.client.RunPodSandbox(config=config))
    async with asyncio.timeout(60):
        while "RUNNING" not in await asyncio.to_thread(lab.containerd.ctr, "tasks", "list") or not running(moody):
            await asyncio.sleep(0.05)
    await asyncio.to_thread(lab.bridge.kill9)
    await asyncio.gather(call, return_exceptions=True)
    moody.be()
    await asyncio.to_thread(lab.bridge.start)
    item = await only_pod(lab)
    assert item.state == cri.SANDBOX_NOTREADY
    pod = Pod(lab.client, item.id, config, lab.busybox)
    status = (await lab.client.PodSandboxStatus(pod_sandbox_id=item.id)).status
    assert (status.state, status.network.ip) == (cri.SANDBOX_NOTREADY, "")
    code, why = await failure(pod.create())
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "has no network" in why
    await pod.remove()
    assert lab.network.reservations() == []
    assert running(moody) == []


async def test_a_daemon_that_ends_during_add(lab, moody):
    """It ends in time and leaves the plugin at its work; the next one shows the pod as not ready, and removes it."""
    moody.be("hang-ADD")
    call = asyncio.ensure_future(lab.client.RunPodSandbox(config=pod_config(cgroup_parent=lab.cgroup_parent)))
    async with asyncio.timeout(60):
        while not running(moody):
            await asyncio.sleep(0.05)
    [plugin] = running(moody)
    lab.bridge.daemon.signal(signal.SIGTERM)
    for _ in range(100 * GRACE):  # of its own 5 s it has had some, so it may be ended by them before the daemon ends
        if not lab.bridge.daemon.alive or not running(moody):
            break
        await asyncio.sleep(0.01)
    assert await asyncio.to_thread(lab.bridge.daemon.wait, 30) == 0
    await asyncio.gather(call, return_exceptions=True)
    moody.be()
    await asyncio.to_thread(lab.bridge.start)
    for item in (await lab.client.ListPodSandbox()).items:
        assert item.state == cri.SANDBOX_NOTREADY
    await lab.remove_all()
    assert plugin not in running(moody)
    assert lab.network.reservations() == []


@pytest.mark.parametrize("restart", [False, True])
async def test_a_configuration_that_is_mended(lab, moody, *, restart):
    """A pod that could not be undone stays listed while its plugin is configured, and can go when it is not."""
    moody.be("fail-ADD", "fail-DEL")
    config = pod_config(cgroup_parent=lab.cgroup_parent)
    await failure(lab.client.RunPodSandbox(config=config))
    item = await only_pod(lab)
    if restart:
        await asyncio.to_thread(lab.bridge.kill9)
        await asyncio.to_thread(lab.bridge.start)
    pod = Pod(lab.client, item.id, config, lab.busybox)
    code, why = await failure(pod.remove())
    assert code == grpc.StatusCode.INTERNAL
    assert "in a bad mood" in why
    lab.network.save()
    try:
        await pod.remove()
        assert lab.network.reservations() == []
        assert "network.left_behind" in lab.bridge.log
    finally:
        lab.network.save(*lab.cni_plugins)


async def test_a_namespace_file_that_is_removed(lab):
    """List and Status agree that the pod is not ready and has no address; nothing is made in it, and it can go."""
    pod = await run_pod(lab)
    netns = await netns_of(pod)
    await asyncio.to_thread(subprocess.run, ["umount", netns], check=True)
    netns.unlink()
    async with asyncio.timeout(60):
        while (await only_pod(lab)).state == cri.SANDBOX_READY:  # without any Status in between
            await asyncio.sleep(0.05)
    status = (await lab.client.PodSandboxStatus(pod_sandbox_id=pod.id)).status
    assert (status.state, status.network.ip) == (cri.SANDBOX_NOTREADY, "")
    code, why = await failure(pod.create())
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "network namespace" in why
    await pod.remove()  # with the masquerading rules, which Debian's bridge only finds by the namespace


async def test_a_namespace_file_that_is_only_unmounted(lab):
    """The first PodSandboxStatus notices it, and the list agrees from then on; so does the next daemon."""
    pod = await run_pod(lab)
    netns = await netns_of(pod)
    await asyncio.to_thread(subprocess.run, ["umount", netns], check=True)
    status = (await lab.client.PodSandboxStatus(pod_sandbox_id=pod.id)).status
    assert (status.state, status.network.ip) == (cri.SANDBOX_NOTREADY, "")
    assert (await only_pod(lab)).state == cri.SANDBOX_NOTREADY
    await asyncio.to_thread(lab.bridge.stop)
    await asyncio.to_thread(lab.bridge.start)
    assert (await only_pod(lab)).state == cri.SANDBOX_NOTREADY
    await pod.remove()  # with the masquerading rules, which Debian's bridge only finds by the namespace
