"""Statistics when things are not as they should be."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from lab.pod_configs import sh
from tests.integration.daemon.conftest import run_pod

CGROUPS = Path("/sys/fs/cgroup")
UNIFIED = (CGROUPS / "cgroup.controllers").exists()
BURN = sh("while :; do :; done")


def take_cgroups_away(lab, container):
    """Move the processes of a container out of its cgroups, and remove them."""
    for hierarchy in CGROUPS.iterdir():
        directory = hierarchy / lab.cgroup_parent.strip("/") / container.id
        if directory.is_dir():
            for pid in (directory / "cgroup.procs").read_text().split():
                (hierarchy / "cgroup.procs").write_text(pid)
            directory.rmdir()


@pytest.mark.skipif(UNIFIED, reason="takes a cgroup of version 1 away")
async def test_a_cgroup_that_vanished_does_not_fail_the_list(lab):
    """A running container without its cgroup is listed, without CPU and memory; the others have theirs."""
    pod = await run_pod(lab)
    whole, bare = await pod.start(), await pod.start()
    entries = (await lab.client.ListContainerStats()).stats
    assert all(stats.HasField("memory") for stats in entries)
    await asyncio.to_thread(take_cgroups_away, lab, bare)
    await asyncio.sleep(0.6)
    stats = {one.attributes.id: one for one in (await lab.client.ListContainerStats()).stats}
    assert stats[whole.id].HasField("cpu")
    assert stats[whole.id].HasField("memory")
    assert not stats[bare.id].HasField("cpu")
    assert not stats[bare.id].HasField("memory")
    (of_pod,) = (await lab.client.ListPodSandboxStats()).stats
    assert of_pod.linux.HasField("memory")
    assert {one.attributes.id for one in of_pod.linux.containers} == {whole.id, bare.id}
    assert len((await lab.client.ListPodSandboxMetrics()).pod_metrics) == 1


async def test_counters_go_on_after_a_restart_of_the_daemon(lab):
    """The next daemon finds the cgroups of containers that it did not start, and counts on."""
    pod = await run_pod(lab)
    container = await pod.start(command=BURN, resources={"cpu_period": 100_000, "cpu_quota": 20_000})
    await asyncio.sleep(1)
    before = (await lab.client.ContainerStats(container_id=container.id)).stats.cpu
    await asyncio.to_thread(lab.bridge.restart)
    after = (await lab.client.ContainerStats(container_id=container.id)).stats.cpu
    assert after.usage_core_nano_seconds.value > before.usage_core_nano_seconds.value > 0


async def test_a_pod_without_a_cgroup_of_its_own(lab):
    """A pod that names no cgroup parent shares one with everybody; its statistics are the sum of its own parts."""
    pod = await run_pod(lab, cgroup_parent="")
    await pod.start()
    other = await run_pod(lab, cgroup_parent="")
    await other.start(command=sh(f"x=$(head -c {24 << 20} /dev/zero | tr '\\0' a); while :; do sleep 3600; done"))
    await asyncio.sleep(1)
    of_pod = (await lab.client.PodSandboxStats(pod_sandbox_id=pod.id)).stats.linux
    of_other = (await lab.client.PodSandboxStats(pod_sandbox_id=other.id)).stats.linux
    (container,) = of_pod.containers
    assert container.memory.usage_bytes.value < of_pod.memory.usage_bytes.value < 16 << 20
    assert of_other.memory.usage_bytes.value > 24 << 20
    assert of_pod.network.default_interface.name == "eth0"


async def test_the_layer_of_a_new_container(lab):
    """The first request for a container's layer has it measured, whichever it is; many are measured at once."""
    pod = await run_pod(lab)
    container = await pod.start()
    layer = (await lab.client.ContainerStats(container_id=container.id)).stats.writable_layer
    others = await asyncio.gather(*(pod.start() for _ in range(5)))
    (metrics,) = (await lab.client.ListPodSandboxMetrics()).pod_metrics
    has_usage = {
        one.container_id
        for one in metrics.container_metrics
        if any(metric.name == "container_fs_usage_bytes" for metric in one.metrics)
    }
    assert has_usage == {one.id for one in (container, *others)}
    assert layer.HasField("used_bytes")
    assert layer.fs_id.mountpoint == (await lab.client.ImageFsInfo()).image_filesystems[0].fs_id.mountpoint


async def test_containerd_is_not_asked(lab):
    """Statistics are files of the node: they are there while containerd hangs."""
    pod = await run_pod(lab)
    await pod.start()
    os.kill(lab.containerd.daemon.pid, signal.SIGSTOP)
    try:
        (container,) = (await lab.client.ListContainerStats(_deadline=5)).stats
        (of_pod,) = (await lab.client.ListPodSandboxStats(_deadline=5)).stats
        (metrics,) = (await lab.client.ListPodSandboxMetrics(_deadline=5)).pod_metrics
    finally:
        os.kill(lab.containerd.daemon.pid, signal.SIGCONT)
    assert container.HasField("cpu")
    assert of_pod.linux.HasField("memory")
    assert metrics.container_metrics
