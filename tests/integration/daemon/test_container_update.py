"""UpdateContainerResources: every field, before and after the start, in the kernel's files and after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab import cgroup_driver
from lab.cri_client import failure
from lab.pod_configs import sh
from tests.integration.daemon.conftest import run_pod

MIB = 1 << 20
BEFORE = {
    "cpu_period": 100_000,
    "cpu_quota": 50_000,
    "cpu_shares": 512,
    "memory_limit_in_bytes": 64 * MIB,
    "memory_swap_limit_in_bytes": 64 * MIB,
    "oom_score_adj": 300,
    "cpuset_cpus": "0",
    "cpuset_mems": "0",
}
# Field, new value, controller and file of cgroup v1, file of v2, what is in it then (v1, v2).
FIELDS = [
    ("cpu_period", 50_000, ("cpu", "cpu.cfs_period_us", "50000"), ("cpu.max", "50000 50000")),
    ("cpu_quota", 20_000, ("cpu", "cpu.cfs_quota_us", "20000"), ("cpu.max", "20000 100000")),
    ("cpu_shares", 256, ("cpu", "cpu.shares", "256"), ("cpu.weight", str(1 + 254 * 9999 // 262142))),
    (
        "memory_limit_in_bytes",
        32 * MIB,
        ("memory", "memory.limit_in_bytes", str(32 * MIB)),
        ("memory.max", str(32 * MIB)),
    ),
    (
        "memory_swap_limit_in_bytes",
        96 * MIB,
        ("memory", "memory.memsw.limit_in_bytes", str(96 * MIB)),
        ("memory.swap.max", str(32 * MIB)),
    ),
    ("cpuset_cpus", "0-1", ("cpuset", "cpuset.cpus", "0-1"), ("cpuset.cpus", "0-1")),
    ("cpuset_mems", "0", ("cpuset", "cpuset.mems", "0"), ("cpuset.mems", "0")),
]


def in_kernel(lab, container, v1, v2):
    """The content of the file of the container's cgroup, and what it should be."""
    leaf = cgroup_driver.leaf(lab.cgroup_parent, container.id)
    if cgroup_driver.unified():
        return (cgroup_driver.ROOT / leaf / v2[0]).read_text().strip(), v2[1]
    file = cgroup_driver.ROOT / v1[0] / leaf / v1[1]
    if not file.exists():
        pytest.skip(f"this kernel has no {v1[1]}")
    return file.read_text().strip(), v1[2]


def limits_of(status):
    """The limits that a status tells."""
    return {name: getattr(status.resources.linux, name) for name in BEFORE}


@pytest.mark.parametrize("running", [False, True], ids=["created", "running"])
@pytest.mark.parametrize("row", FIELDS, ids=[row[0] for row in FIELDS])
async def test_a_field_alone(lab, row, running):
    """One field changes, in the cgroup and in the status; the others stay."""
    field, value, v1, v2 = row
    pod = await run_pod(lab)
    container = await pod.create(command=sh("sleep 1000"), resources=BEFORE)
    if running:
        await container.start()
    await lab.client.UpdateContainerResources(container_id=container.id, linux={field: value})
    if not running:
        await container.start()
    is_, should_be = in_kernel(lab, container, v1, v2)
    assert is_ == should_be
    after = BEFORE | {field: value}
    if field == "memory_limit_in_bytes":  # a limit without one for swap forbids swapping
        after["memory_swap_limit_in_bytes"] = value
    assert limits_of(await container.status()) == after


@pytest.mark.parametrize("running", [False, True], ids=["created", "running"])
async def test_the_oom_score(lab, running):
    """The process and those it has made get the new score; one that chose another keeps its own."""
    pod = await run_pod(lab)
    script = "sleep 1001 & (echo 777 > /proc/self/oom_score_adj; exec sleep 1002) & sleep 1003 & wait"
    container = await pod.create(command=sh(script), resources=BEFORE)
    if running:
        await container.start()
        await scores(container, {"sh": 300, "1001": 300, "1003": 300})
    await lab.client.UpdateContainerResources(container_id=container.id, linux={"oom_score_adj": 600})
    if not running:
        await container.start()
    await scores(container, {"sh": 600, "1001": 600, "1002": 777, "1003": 600})
    assert limits_of(await container.status()) == BEFORE | {"oom_score_adj": 600}


async def scores(container, wanted):
    """Wait until the container's processes have these scores; the script's is found by its process id."""
    script = "for p in 1 $(pidof sleep); do echo $(cat /proc/$p/oom_score_adj) $(tr '\\0' ' ' < /proc/$p/cmdline); done"
    for _ in range(100):
        actual = {}
        for line in (await container.output(script)).splitlines():
            score, *command = line.split()
            actual["sh" if "sh" in Path(command[0]).name else command[-1]] = int(score)
        if wanted.items() <= actual.items():
            return
        await asyncio.sleep(0.1)
    assert actual == wanted


async def test_it_outlives_the_daemon(lab):
    """What was changed is in the status and in the next change after a restart of the daemon."""
    pod = await run_pod(lab)
    running = await pod.start(command=sh("sleep 1000"), resources=BEFORE)
    created = await pod.create(command=sh("sleep 1000"), resources=BEFORE)
    for container in (running, created):
        await lab.client.UpdateContainerResources(
            container_id=container.id, linux={"cpu_shares": 300, "oom_score_adj": 400}
        )
    await asyncio.to_thread(lab.bridge.restart)
    expected = BEFORE | {"cpu_shares": 300, "oom_score_adj": 400}
    for container in (running, created):
        assert limits_of(await container.status()) == expected
        await lab.client.UpdateContainerResources(container_id=container.id, linux={"cpu_quota": 10_000})
        assert limits_of(await container.status()) == expected | {"cpu_quota": 10_000}
    await created.start()
    for container in (running, created):
        is_, should_be = in_kernel(lab, container, *FIELDS[2][2:])
        assert is_ != should_be
        is_, should_be = in_kernel(
            lab, container, ("cpu", "cpu.shares", "300"), ("cpu.weight", str(1 + 298 * 9999 // 262142))
        )
        assert is_ == should_be


async def test_a_refused_change_leaves_all_as_it_was(lab):
    """What the runtime refuses is an error, and neither the status nor the cgroup nor the next start has it."""
    pod = await run_pod(lab)
    container = await pod.start(command=sh("sleep 1000"), resources=BEFORE)
    code, _ = await failure(
        lab.client.UpdateContainerResources(container_id=container.id, linux={"cpuset_cpus": "4000", "cpu_shares": 99})
    )
    assert code != grpc.StatusCode.OK
    assert limits_of(await container.status()) == BEFORE
    is_, should_be = in_kernel(lab, container, ("cpuset", "cpuset.cpus", "0"), ("cpuset.cpus", "0"))
    assert is_ == should_be
    is_, should_be = in_kernel(lab, container, ("cpu", "cpu.shares", "512"), ("cpu.weight", "20"))
    assert is_ == should_be
    await lab.client.UpdateContainerResources(container_id=container.id, linux={"cpu_shares": 256})
    assert limits_of(await container.status()) == BEFORE | {"cpu_shares": 256}


@pytest.mark.skipif(cgroup_driver.unified(), reason="tests/conformance/test_resources_v2.py has it on v2")
async def test_unified_on_cgroup_v1(lab):
    """Names of cgroup v2's files are refused on v1, for a running container too, and not remembered."""
    pod = await run_pod(lab)
    container = await pod.start(command=sh("sleep 1000"), resources=BEFORE)
    _, text = await failure(
        lab.client.UpdateContainerResources(container_id=container.id, linux={"unified": {"memory.high": "1000000"}})
    )
    assert "unified" in text.lower()
    assert not (await container.status()).resources.linux.unified


async def test_windows_and_annotations(lab):
    """Limits for Windows alone are refused; beside those for Linux they are passed over; annotations do no harm."""
    pod = await run_pod(lab)
    container = await pod.start(command=sh("sleep 1000"), resources=BEFORE)
    update = lab.client.UpdateContainerResources
    code, text = await failure(update(container_id=container.id, windows={"cpu_shares": 5}))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "Windows" in text
    await update(container_id=container.id, linux={"cpu_shares": 256}, windows={"cpu_shares": 5})
    await update(container_id=container.id, annotations={"example.com/why": "because"})
    assert limits_of(await container.status()) == BEFORE | {"cpu_shares": 256}


async def test_only_containers_that_will_run(lab):
    """An ended container is refused with its state."""
    pod = await run_pod(lab)
    container = await pod.start(command=sh("exit 0"))
    await container.ended()
    code, text = await failure(lab.client.UpdateContainerResources(container_id=container.id, linux={"cpu_shares": 2}))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert cri.ContainerState.Name(cri.CONTAINER_EXITED).removeprefix("CONTAINER_").lower() in text.lower()
