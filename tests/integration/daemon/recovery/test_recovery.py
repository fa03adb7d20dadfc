"""kill -9 at any time: after the next start everything is what it was."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.sync.owned_snapshots import OWN_ROOT, owned_by
from lab.containerd import unmount_below
from lab.pod_configs import container_config, pod_config, sh
from lab.pods import fetch, web_server
from lab.registry import free_port
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")


def crash_and_return(lab, away=0.0):
    """kill -9, some time without a daemon, and the next start."""
    lab.bridge.kill9()
    time.sleep(away)
    lab.bridge.start()


async def everything(lab):
    """All that the CRI says of pods, containers and images."""
    client = lab.client
    pods = sorted((await client.ListPodSandbox()).items, key=lambda item: item.id)
    containers = sorted((await client.ListContainers()).containers, key=lambda item: item.id)
    images = sorted((await client.ListImages()).images, key=lambda item: item.id)
    pod_statuses = [(await client.PodSandboxStatus(pod_sandbox_id=pod.id)).status for pod in pods]
    statuses = [(await client.ContainerStatus(container_id=each.id)).status for each in containers]
    return pods, containers, images, pod_statuses, statuses


async def test_everything_is_what_it_was(lab, tmp_path):
    """Pods, containers in every state, their statuses to the nanosecond, addresses and images are as before."""
    port = free_port()
    mapping = cri.PortMapping(container_port=8080, host_port=port)
    pod = await run_pod(lab, labels={"a": "b"}, annotations={"c": "d"}, port_mappings=[mapping], attempt=2)
    mount = cri.Mount(container_path="/mnt", host_path=str(tmp_path), readonly=True)
    web = await pod.start("web", command=web_server("still"), mounts=[mount], labels={"x": "y"})
    await (await pod.start("ended", command=sh("exit 5"))).ended()
    await (await pod.start("killed")).stop(timeout=0)
    await pod.create("created", resources={"cpu_shares": 77})
    with contextlib.suppress(grpc.aio.AioRpcError):
        await pod.start("failed", command=("no-such-program",))
    await pod.start("user", security={"run_as_user": {"value": 1000}, "supplemental_groups": [42]})
    stopped = await run_pod(lab)
    await stopped.stop()
    before = await everything(lab)
    await asyncio.to_thread(crash_and_return, lab)
    assert await everything(lab) == before
    assert await fetch(await pod.ip(), 8080) == "still"
    assert await fetch("127.0.0.1", port) == "still"
    assert await web.output("echo exec works") == "exec works"
    await pod.remove()
    await stopped.remove()


async def test_a_created_container_can_be_started_afterwards(lab):
    """A container that was created before the crash starts after it, and its output is logged."""
    pod = await run_pod(lab)
    container = await pod.create(command=sh("echo started late; exit 6"))
    await asyncio.to_thread(crash_and_return, lab)
    await container.start()
    assert (await container.ended()).exit_code == 6
    assert await container.logged("started late")
    await pod.remove()


async def test_ends_that_were_missed(lab):
    """Containers that ended while the daemon was away have their exit code, reason and time of end."""
    pod = await run_pod(lab)
    good = await pod.start(command=sh("sleep 0.7; echo last words; exit 0"))
    bad = await pod.start(command=sh("sleep 0.7; exit 9"))
    memory = {"memory_limit_in_bytes": 16 * 1024 * 1024}
    oom = await pod.start(command=sh("sleep 0.7; exec tail /dev/zero"), resources=memory)
    await asyncio.to_thread(lab.bridge.kill9)
    left = time.time_ns()
    await asyncio.sleep(2)
    back = time.time_ns()
    await asyncio.to_thread(lab.bridge.start)
    statuses = [await container.ended() for container in (good, bad, oom)]
    assert [(s.exit_code, s.reason) for s in statuses] == [(0, "Completed"), (9, "Error"), (137, "OOMKilled")]
    assert all(left < status.finished_at < back for status in statuses)
    assert await good.logged("last words")
    await pod.remove()


async def test_no_line_of_a_log_is_lost(lab):
    """A container that writes all the time has every line in its log, in order, once, over three crashes."""
    pod = await run_pod(lab)
    container = await pod.start(command=sh("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.005; done"))
    for _ in range(3):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(crash_and_return, lab, 0.3)
    await asyncio.sleep(0.3)
    await container.stop(timeout=0)
    lines = [entry.content.decode() for entry in container.entries()]
    assert lines == [f"line {number}" for number in range(1, len(lines) + 1)]
    assert len(lines) > 100
    await pod.remove()


async def test_a_full_pipe_while_the_daemon_is_away(lab):
    """A container that writes more than a pipe holds waits for the daemon, and loses nothing."""
    pod = await run_pod(lab)
    container = await pod.start(command=sh("sleep 0.5; seq 1 60000; exit 3"))
    await asyncio.to_thread(lab.bridge.kill9)
    await asyncio.sleep(1.5)
    await asyncio.to_thread(lab.bridge.start)
    assert (await container.ended()).exit_code == 3
    assert [entry.content for entry in container.entries()] == [b"%d" % number for number in range(1, 60001)]
    await pod.remove()


async def test_a_pod_whose_process_ended_meanwhile(lab):
    """A sandbox whose process was killed while the daemon was away is not ready, and can be removed."""
    pod = await run_pod(lab)
    await asyncio.to_thread(lab.bridge.kill9)
    await asyncio.to_thread(lab.containerd.ctr, "tasks", "kill", "--signal", "9", pod.id)
    await asyncio.sleep(0.3)
    await asyncio.to_thread(lab.bridge.start)
    assert (await pod.status()).state == cri.SANDBOX_NOTREADY
    await pod.remove()


async def test_a_pod_whose_process_ends_is_not_ready(lab):
    """A sandbox whose process is killed while the daemon watches becomes not ready."""
    pod = await run_pod(lab)
    await asyncio.to_thread(lab.containerd.ctr, "tasks", "kill", "--signal", "9", pod.id)
    deadline = time.monotonic() + 5
    while (await pod.status()).state != cri.SANDBOX_NOTREADY:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await pod.remove()


async def life(lab, config):
    """A pod from start to removal, as far as the daemon lives."""
    with contextlib.suppress(grpc.aio.AioRpcError):
        client = lab.client
        pod_id = (await client.RunPodSandbox(config=config)).pod_sandbox_id
        container = container_config(lab.busybox, log=False)
        request = {"pod_sandbox_id": pod_id, "config": container, "sandbox_config": config}
        container_id = (await client.CreateContainer(**request)).container_id
        await client.StartContainer(container_id=container_id)
        await client.StopContainer(container_id=container_id, timeout=1)
        await client.RemoveContainer(container_id=container_id)
        await client.StopPodSandbox(pod_sandbox_id=pod_id)
        await client.RemovePodSandbox(pod_sandbox_id=pod_id)


@pytest.mark.parametrize("moment", [0.01, 0.03, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5])
async def test_killed_in_the_middle(lab, moment):
    """Killed while three pods are anywhere between start and removal: all is listed or gone, and nothing is left.

    Afterwards the same pods can be run again, and removing what is listed leaves nothing on the node.
    """
    configs = [pod_config(cgroup_parent=lab.cgroup_parent) for _ in range(3)]
    lives = [asyncio.create_task(life(lab, config)) for config in configs]
    await asyncio.sleep(moment)
    await asyncio.to_thread(crash_and_return, lab)
    await asyncio.gather(*lives)
    await lab.remove_all()
    assert not (await lab.client.ListContainers()).containers
    for config in configs:
        pod_id = (await lab.client.RunPodSandbox(config=config)).pod_sandbox_id
        await lab.client.StopPodSandbox(pod_sandbox_id=pod_id)
        await lab.client.RemovePodSandbox(pod_sandbox_id=pod_id)


async def test_a_peaceful_restart_changes_nothing(lab):
    """SIGTERM and a new start leave everything as it was, like a crash does."""
    pod = await run_pod(lab)
    await pod.start()
    before = await everything(lab)
    await asyncio.to_thread(lab.bridge.restart)
    assert await everything(lab) == before
    await pod.remove()


async def test_a_snapshot_that_no_record_came_for(lab):
    """It holds itself against the garbage collector, and goes at the next start of the daemon; others stay."""
    pod = await run_pod(lab)
    container = await pod.create(command=sh("sleep 1000"))
    ghost = "0" * 64
    rows = [line.split() for line in lab.containerd.ctr("snapshots", "list").splitlines()]
    (parent,) = {row[1] for row in rows if row[0] == container.id}
    lab.containerd.ctr("snapshots", "prepare", ghost, parent)
    lab.containerd.ctr("snapshots", "label", ghost, *(f"{k}={v}" for k, v in owned_by(ghost, OWN_ROOT).items()))
    collect_garbage(lab)
    assert ghost in lab.containerd.ctr("snapshots", "list")
    await asyncio.to_thread(lab.bridge.restart)
    output = lab.containerd.ctr("snapshots", "list")
    assert ghost not in output
    assert {pod.id, container.id} <= set(output.split())
    await container.start()
    await pod.remove()


def collect_garbage(lab):
    """Have containerd collect now: it does so before it answers that a lease is gone."""
    lab.containerd.ctr("leases", "create", "--id", "collect")
    lab.containerd.ctr("leases", "delete", "--sync", "collect")


async def test_a_reboot(lab):
    """After a reboot (no tasks, mounts, namespaces, interfaces) pods are not ready and containers ended with 255.

    Their removal gives back the addresses that the network plugin has noted on disk.
    """
    pod = await run_pod(lab)
    running = await pod.start()
    ended = await pod.start(command=sh("exit 4"))
    await ended.ended()
    assert lab.network.reservations()
    await asyncio.to_thread(reboot, lab)
    assert (await pod.status()).state == cri.SANDBOX_NOTREADY
    status = await running.status()
    assert (status.state, status.exit_code, status.reason) == (cri.CONTAINER_EXITED, 255, "Unknown")
    assert (await ended.status()).exit_code == 4
    await pod.remove()
    assert not lab.network.reservations()
    again = await run_pod(lab)
    assert await again.ip()
    await again.remove()


def reboot(lab):
    """What a reboot leaves of the two daemons: their root directories."""
    lab.bridge.kill9()
    lab.containerd.kill9()
    lab.containerd.stop()
    lab.bridge.clean()
    shutil.rmtree(lab.bridge.state)
    unmount_below(lab.containerd.directory)
    shutil.rmtree(lab.containerd.state)
    shutil.rmtree(lab.directory / "containerd" / "runc", ignore_errors=True)
    lab.remove_cgroups()
    lab.network.cleanup_kernel()
    lab.containerd.start()
    lab.bridge.start()
