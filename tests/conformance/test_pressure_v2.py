"""What only cgroup v2 knows of use: pressure (PSI), swap, block devices, and the cgroups of whole pods."""

from __future__ import annotations

import asyncio
import time

import pytest

from lab import cgroup_driver
from lab.patience import patient
from lab.pod_configs import sh

MIB = 1024 * 1024
BURN = sh("echo ready; while :; do :; done & while :; do :; done")

pytestmark = pytest.mark.skipif(not cgroup_driver.unified(), reason="cgroup v1 knows none of it")


@pytest.mark.plugin_differs("containerd before 2.1 tells no pressure")
async def test_pressure_of_a_container(client, node):
    """Two busy processes on a tenth of a CPU wait: the pressure shows it, of container and pod, growing."""
    pod = await node.run(cgroup_parent=cgroup_driver.child(node.cgroup_parent, "pressure"))
    container = await pod.start(command=BURN, resources={"cpu_period": 100_000, "cpu_quota": 10_000})
    await container.logged("ready", 60)
    deadline = time.monotonic() + patient(60)
    while True:
        cpu = (await client.ContainerStats(container_id=container.id)).stats.cpu
        if cpu.psi.Some.Total > 500_000_000 and cpu.psi.Some.Avg10 > 0:
            break
        assert time.monotonic() < deadline, cpu
        await asyncio.sleep(0.5)
    of_pod = (await client.PodSandboxStats(pod_sandbox_id=pod.id)).stats.linux
    assert of_pod.cpu.psi.Some.Total > 500_000_000
    assert of_pod.memory.HasField("psi")
    assert of_pod.io.HasField("psi")


@pytest.mark.plugin_differs("containerd 1.6 tells no swap")
async def test_swap_of_a_container(client, pod):
    """A container that may use 32 MiB of swap has that much available, where it uses none."""
    container = await pod.start(
        resources={"memory_limit_in_bytes": 64 * MIB, "memory_swap_limit_in_bytes": 96 * MIB},
    )
    swap = (await client.ContainerStats(container_id=container.id)).stats.swap
    assert swap.swap_usage_bytes.value == 0
    assert swap.swap_available_bytes.value == 32 * MIB


@pytest.mark.plugin_differs("containerd 1.6 knows no metrics")
async def test_metrics_of_limits_and_kills(client, node):
    """The metrics tell a container's shares, quota, limits and how often the kernel killed in it."""
    pod = await node.run(cgroup_parent=cgroup_driver.child(node.cgroup_parent, "metrics-v2"))
    resources = {
        "cpu_shares": 2048,
        "cpu_quota": 50_000,
        "cpu_period": 100_000,
        "memory_limit_in_bytes": 16 * MIB,
        "unified": {"pids.max": "77"},
    }
    container = await pod.start(command=sh("tail /dev/zero; echo over; sleep 3600"), resources=resources)
    await container.logged("over", 60)
    (metrics,) = [one for one in (await client.ListPodSandboxMetrics()).pod_metrics if one.pod_sandbox_id == pod.id]
    values = {metric.name: metric.value.value for own in metrics.container_metrics for metric in own.metrics}
    assert values["container_oom_events_total"] == 1
    assert values["container_spec_memory_limit_bytes"] == 16 * MIB
    assert values["container_spec_cpu_quota"] == 50_000
    assert values["container_spec_cpu_period"] == 100_000
    assert values["container_threads_max"] == 77
    assert abs(values["container_spec_cpu_shares"] - 2048) < 30
