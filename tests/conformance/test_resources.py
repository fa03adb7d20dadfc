"""Resource limits: cgroups (of version 1; test_resources_v2.py has the other), and the out-of-memory score."""

from __future__ import annotations

import json
import os

import grpc
import pytest

from lab.cgroup_driver import ROOT, unified
from lab.containerd import may_lower_oom_score
from lab.cri_client import failure

MIB = 1024 * 1024

on_v1 = pytest.mark.skipif(unified(), reason="reads cgroup v1 files")


def value(node, container, controller, name):
    """The content of a file of the container's cgroup."""
    return (ROOT / controller / node.cgroup_parent.strip("/") / container.id / name).read_text().strip()


@pytest.mark.proves(
    "LinuxPodSandboxConfig.cgroup_parent",
    "LinuxContainerResources.cpu_period",
    "LinuxContainerResources.cpu_quota",
    "LinuxContainerResources.cpu_shares",
    "LinuxContainerResources.cpuset_cpus",
    "LinuxContainerResources.cpuset_mems",
    "LinuxContainerResources.memory_limit_in_bytes",
)
@on_v1
async def test_limits_are_set(node, pod):
    """CPU shares, quota and period, cpuset and memory are in the container's cgroup, below the pod's parent."""
    resources = {
        "cpu_shares": 512,
        "cpu_quota": 50_000,
        "cpu_period": 100_000,
        "cpuset_cpus": "0",
        "cpuset_mems": "0",
        "memory_limit_in_bytes": 64 * MIB,
    }
    container = await pod.start(resources=resources)
    assert value(node, container, "cpu", "cpu.shares") == "512"
    assert value(node, container, "cpu", "cpu.cfs_quota_us") == "50000"
    assert value(node, container, "cpu", "cpu.cfs_period_us") == "100000"
    assert value(node, container, "cpuset", "cpuset.cpus") == "0"
    assert value(node, container, "cpuset", "cpuset.mems") == "0"
    assert value(node, container, "memory", "memory.limit_in_bytes") == str(64 * MIB)


@on_v1
async def test_without_limits_there_are_none(node, pod):
    """A container without resources has the usual CPU weight and no limit."""
    container = await pod.start()
    assert value(node, container, "cpu", "cpu.shares") == "1024"
    assert value(node, container, "cpu", "cpu.cfs_quota_us") == "-1"
    assert int(value(node, container, "memory", "memory.limit_in_bytes")) > 2**60


@on_v1
@pytest.mark.pause_process
async def test_the_sandbox_has_hardly_any_weight(node, pod):
    """The process that holds the pod has the lowest CPU weight."""
    assert value(node, pod, "cpu", "cpu.shares") == "2"


@pytest.mark.proves("RuntimeService.UpdateContainerResources")
@on_v1
async def test_limits_of_a_running_container_are_changed(node, pod):
    """UpdateContainerResources changes what it names and leaves the rest."""
    container = await pod.start(resources={"cpu_shares": 512, "memory_limit_in_bytes": 64 * MIB})
    await container.client.UpdateContainerResources(
        container_id=container.id, linux={"cpu_shares": 256, "memory_limit_in_bytes": 128 * MIB}
    )
    assert value(node, container, "cpu", "cpu.shares") == "256"
    assert value(node, container, "memory", "memory.limit_in_bytes") == str(128 * MIB)
    await container.client.UpdateContainerResources(container_id=container.id, linux={"cpu_quota": 20_000})
    assert value(node, container, "cpu", "cpu.cfs_quota_us") == "20000"
    assert value(node, container, "cpu", "cpu.shares") == "256"
    assert (await container.status()).resources.linux.cpu_shares == 256


@on_v1
async def test_limits_of_a_created_container_are_changed(node, pod):
    """A change before the start holds from the start."""
    container = await pod.create(resources={"cpu_shares": 512})
    await container.client.UpdateContainerResources(container_id=container.id, linux={"cpu_shares": 128})
    await container.start()
    assert value(node, container, "cpu", "cpu.shares") == "128"


async def test_limits_of_an_unknown_container(client):
    """UpdateContainerResources of an unknown id is NOT_FOUND."""
    call = client.UpdateContainerResources(container_id="0" * 64, linux={"cpu_shares": 2})
    assert (await failure(call))[0] == grpc.StatusCode.NOT_FOUND


@pytest.mark.proves("LinuxContainerResources.oom_score_adj")
async def test_the_out_of_memory_score(pod):
    """A positive oom_score_adj is set; a negative one is set where the node allows it, else clamped to the daemon's."""
    assert await pod.output("cat /proc/self/oom_score_adj", resources={"oom_score_adj": 500}) == "500"
    low = await pod.output("cat /proc/self/oom_score_adj", resources={"oom_score_adj": -998})
    assert low == "-998" if may_lower_oom_score() else int(low) >= -998


@pytest.mark.proves("LinuxContainerResources.memory_swap_limit_in_bytes")
@on_v1
async def test_swap(node, pod):
    """The limit of memory and swap together is set; without one there is no swap over the memory limit."""
    if not (ROOT / "memory/memory.memsw.limit_in_bytes").exists():
        pytest.skip("this kernel does not count swap")
    limits = {"memory_limit_in_bytes": 64 * MIB, "memory_swap_limit_in_bytes": 96 * MIB}
    some = await pod.start(resources=limits)
    assert value(node, some, "memory", "memory.memsw.limit_in_bytes") == str(96 * MIB)
    none = await pod.start(resources={"memory_limit_in_bytes": 64 * MIB})
    assert value(node, none, "memory", "memory.memsw.limit_in_bytes") == str(64 * MIB)


async def test_the_cgroup_namespace(node, pod):
    """With cgroup v2 a container that is not privileged has one of its own; with v1 it has the node's."""
    script = "readlink /proc/self/ns/cgroup"
    nodes = os.readlink("/proc/self/ns/cgroup")
    assert (await pod.output(script) == nodes) is not unified()
    privileged = await node.run(security={"privileged": True})
    assert await privileged.output(script, security={"privileged": True}) == nodes


@pytest.mark.proves("LinuxContainerResources.unified")
@on_v1
async def test_settings_of_cgroup_v2_on_v1(pod):
    """Settings by the names of cgroup v2's files are refused by the runtime, not forgotten, on a node with v1."""
    _, message = await failure(pod.start(resources={"unified": {"memory.high": str(64 * MIB)}}))
    assert "unified" in message.lower()


@pytest.mark.proves("LinuxContainerResources.hugepage_limits", "HugepageLimit.page_size", "HugepageLimit.limit")
async def test_limits_of_huge_pages_are_off_by_default(client, pod):
    """A limit of huge pages is taken, and by default not given to the runtime: the container runs as without."""
    limits = [{"page_size": "2MB", "limit": 4 * MIB}]
    container = await pod.start(resources={"hugepage_limits": limits, "cpu_shares": 512})
    info = json.loads((await client.ContainerStatus(container_id=container.id, verbose=True)).info["info"])
    assert info["config"]["linux"]["resources"]["hugepage_limits"] == limits
    assert "hugepageLimits" not in info["runtimeSpec"]["linux"]["resources"]
