"""Resource limits on cgroup v2, under either cgroup driver: what the kernel's files say once the container runs."""

from __future__ import annotations

import pytest

from lab import cgroup_driver
from lab.cri_client import failure
from lab.pod_configs import sh

MIB = 1024 * 1024

pytestmark = pytest.mark.skipif(not cgroup_driver.unified(), reason="reads cgroup v2 files")


def value(node, container, name):
    """The content of a file of the container's cgroup, which lies below the pod's parent as the driver puts it."""
    return (cgroup_driver.ROOT / cgroup_driver.leaf(node.cgroup_parent, container.id) / name).read_text().strip()


def numbers(node, container, name):
    """The pairs of such a file."""
    return {key: int(number) for key, number in (line.split() for line in value(node, container, name).splitlines())}


def weight(shares):
    """The cpu.weight (1 to 10000) of CPU shares (2 to 262144), as runc and the kubelet convert it."""
    return 1 + (shares - 2) * 9999 // 262142


@pytest.mark.proves(
    "LinuxPodSandboxConfig.cgroup_parent",
    "LinuxContainerResources.cpu_period",
    "LinuxContainerResources.cpu_quota",
    "LinuxContainerResources.cpu_shares",
    "LinuxContainerResources.cpuset_cpus",
    "LinuxContainerResources.cpuset_mems",
    "LinuxContainerResources.memory_limit_in_bytes",
)
async def test_limits_are_set(node, pod):
    """CPU weight, quota and period, cpuset and memory are in the container's cgroup, below the pod's parent."""
    resources = {
        "cpu_shares": 2048,
        "cpu_quota": 50_000,
        "cpu_period": 100_000,
        "cpuset_cpus": "0",
        "cpuset_mems": "0",
        "memory_limit_in_bytes": 64 * MIB,
    }
    container = await pod.start(resources=resources)
    assert value(node, container, "cpu.weight") == str(weight(2048)) == "79"
    assert value(node, container, "cpu.max") == "50000 100000"
    assert value(node, container, "cpuset.cpus") == "0"
    assert value(node, container, "cpuset.mems") == "0"
    assert value(node, container, "memory.max") == str(64 * MIB)


@pytest.mark.proves("LinuxContainerResources.memory_swap_limit_in_bytes")
async def test_swap(node, pod):
    """memory.swap.max is what the swap limit leaves over the memory limit; without a swap limit there is no swap."""
    some = await pod.start(
        resources={"memory_limit_in_bytes": 64 * MIB, "memory_swap_limit_in_bytes": 96 * MIB},
    )
    assert value(node, some, "memory.swap.max") == str(32 * MIB)
    none = await pod.start(resources={"memory_limit_in_bytes": 64 * MIB})
    assert value(node, none, "memory.swap.max") == "0"


async def test_without_limits_there_are_none(node, pod):
    """A container without resources has the usual CPU weight and no limit."""
    container = await pod.start()
    assert value(node, container, "cpu.weight") in {"100", str(weight(1024))}
    assert value(node, container, "cpu.max") == "max 100000"
    assert value(node, container, "memory.max") == "max"
    assert value(node, container, "pids.max") == "max" or cgroup_driver.by_systemd()


async def test_the_sandbox_has_hardly_any_weight(node, pod):
    """The process that holds the pod has the lowest CPU weight."""
    assert value(node, pod, "cpu.weight") == "1"


@pytest.mark.proves("LinuxContainerResources.unified")
async def test_unified_keys_are_written_as_they_are(node, pod):
    """What is asked for in ``unified`` is in the files of those names."""
    unified = {"memory.high": str(48 * MIB), "memory.low": str(8 * MIB), "pids.max": "77", "memory.oom.group": "1"}
    container = await pod.start(resources={"unified": unified, "memory_limit_in_bytes": 64 * MIB})
    assert {name: value(node, container, name) for name in unified} == unified
    assert value(node, container, "memory.max") == str(64 * MIB)
    assert dict((await container.status()).resources.linux.unified) == unified


async def test_a_unified_key_that_the_kernel_does_not_know(pod):
    """The start fails, and the message names the key."""
    container = await pod.create(resources={"unified": {"memory.no_such_file": "1"}})
    _, message = await failure(container.start())
    assert "memory.no_such_file" in message


async def test_limits_of_a_running_container_are_changed(node, pod):
    """UpdateContainerResources changes what it names and leaves the rest, in the cgroup and in the status."""
    container = await pod.start(resources={"cpu_shares": 512, "memory_limit_in_bytes": 64 * MIB})
    update = container.client.UpdateContainerResources
    await update(container_id=container.id, linux={"cpu_shares": 256, "memory_limit_in_bytes": 128 * MIB})
    assert value(node, container, "cpu.weight") == str(weight(256))
    assert value(node, container, "memory.max") == str(128 * MIB)
    await update(container_id=container.id, linux={"cpu_quota": 20_000, "cpu_period": 50_000})
    assert value(node, container, "cpu.max") == "20000 50000"
    assert value(node, container, "cpu.weight") == str(weight(256))
    await update(container_id=container.id, linux={"unified": {"memory.high": str(96 * MIB)}})
    assert value(node, container, "memory.high") == str(96 * MIB)
    limits = (await container.status()).resources.linux
    assert (limits.cpu_shares, limits.memory_limit_in_bytes, limits.cpu_quota) == (256, 128 * MIB, 20_000)


async def test_limits_of_a_created_container_are_changed(node, pod):
    """A change before the start holds from the start."""
    container = await pod.create(resources={"cpu_shares": 512})
    await container.client.UpdateContainerResources(container_id=container.id, linux={"cpu_shares": 128})
    await container.start()
    assert value(node, container, "cpu.weight") == str(weight(128))


async def test_a_container_sees_its_own_cgroup(pod):
    """Inside, the container's cgroup is the root of what it sees, and its limit can be read there."""
    seen = await pod.output(
        "cat /proc/self/cgroup /sys/fs/cgroup/memory.max", resources={"memory_limit_in_bytes": 64 * MIB}
    )
    assert seen.split() == ["0::/", str(64 * MIB)]


async def test_cgroups_go_with_container_and_pod(node):
    """What is removed leaves no cgroup."""
    pod = await node.run()
    container = await pod.start()
    leaves = [cgroup_driver.ROOT / cgroup_driver.leaf(node.cgroup_parent, id_) for id_ in (pod.id, container.id)]
    assert all(leaf.is_dir() for leaf in leaves)
    await pod.remove()
    assert not any(leaf.exists() for leaf in leaves)


async def test_a_child_that_is_killed_for_want_of_memory(node, pod):
    """Where the kernel kills single processes, a container that gets over it goes on, and its own end counts."""
    script = "tail /dev/zero; test $? = 137 || exit 7; echo over; sleep 1"
    container = await pod.start(command=sh(script), resources={"memory_limit_in_bytes": 16 * MIB})
    await container.logged("over", 60)
    assert numbers(node, container, "memory.events")["oom_kill"] == 1
    status = await container.ended(60)
    assert status.exit_code == 0


async def test_a_container_that_is_killed_as_a_group(pod):
    """With memory.oom.group, as the kubelet sets it, a child out of memory ends the container as OOMKilled."""
    container = await pod.start(
        command=sh("tail /dev/zero; sleep 3600"),
        resources={"memory_limit_in_bytes": 16 * MIB, "unified": {"memory.oom.group": "1"}},
    )
    status = await container.until(lambda status: status.finished_at > 0 and status.reason != "Error", 60)
    assert (status.exit_code, status.reason) == (137, "OOMKilled")
