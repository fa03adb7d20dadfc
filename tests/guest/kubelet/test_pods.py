"""Pods of the three QoS classes on cgroup v2, with a kubelet's cgroups, rhythm of calls, resize, stop and restart."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.scenarios.steady import RHYTHM
from lab import cgroup_driver
from lab.patience import patient
from lab.pod_configs import sh
from tests.guest.kubelet.pod_cgroups import Limits, PodCgroup
from tests.guest.kubelet.pods import BEST_EFFORT, BURSTABLE, CLASSES, GUARANTEED, MIB, NODE, weight

pytestmark = [
    pytest.mark.root,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not cgroup_driver.unified(), reason="makes the cgroups of cgroup v2: make test-guest"),
]
COUNT = sh("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done")
WINDOW_SECONDS = 10


def read(directory, name):
    """The first line of a file of a cgroup."""
    return (directory / name).read_text().splitlines()[0]


async def pid_of(container):
    """The process of a container."""
    answer = await container.client.ContainerStatus(container_id=container.id, verbose=True)
    return json.loads(answer.info["info"])["pid"]


@pytest.mark.parametrize("qos", CLASSES, ids=lambda qos: qos.name)
async def test_a_pod_of_each_class(run, qos):
    """Containers lie below the pod's cgroup with their own limits; the kubelet's limits stay as it has written them."""
    pod = await run(qos)
    container = await pod.start(("sleep", "3600"))
    own, holder = pod.cgroup.leaf(container.id), pod.cgroup.leaf(pod.pod.id)
    process = await pid_of(container)
    assert read(own, "cgroup.procs") == str(process)
    assert read(holder, "cgroup.procs")
    assert Path(f"/proc/{process}/cgroup").read_text() == f"0::{pod.cgroup.parent}/{own.name}\n"
    assert read(own, "cpu.weight") == str(weight(qos.shares))
    assert read(own, "cpu.max") == f"{qos.quota_us or 'max'} 100000"
    assert read(own, "memory.max") == str(qos.memory or "max")
    assert read(own, "memory.swap.max") == ("0" if qos.memory else "max")
    assert read(own, "memory.oom.group") == "1"
    assert read(own, "hugetlb.2MB.max") == "0"
    assert Path(f"/proc/{process}/oom_score_adj").read_text() == f"{qos.score}\n"
    assert pod.cgroup.read() == qos.pod
    assert PodCgroup.of_class(qos.name).read() == NODE[qos.name]


async def test_the_rhythm_of_a_kubelet(lab, run):
    """Its calls all succeed while pods come and go, and what they say is what the kernel has."""
    pods = [await run(qos) for qos in CLASSES]
    running = [await pod.start(COUNT) for pod in pods]
    began, calls = time.monotonic(), 0

    async def keep(beat):
        nonlocal calls
        due = began + beat.offset
        while due < began + WINDOW_SECONDS:
            await asyncio.sleep(max(0, due - time.monotonic()))
            for rpc in beat.rpcs:
                await getattr(lab.client, rpc)()
                calls += 1
            due += beat.period

    async def churn():
        return await (await pods[2].start(sh("exit 3"), "short")).ended(30)

    *_, status = await asyncio.gather(*(keep(beat) for beat in RHYTHM), churn())
    assert (status.exit_code, status.reason) == (3, "Error")
    assert calls >= sum(len(beat.rpcs) * (WINDOW_SECONDS - beat.offset) // beat.period for beat in RHYTHM)
    states = {each.id: each.state for each in (await lab.client.ListContainers()).containers}
    assert all(states[container.id] == cri.CONTAINER_RUNNING for container in running)
    stats = {each.attributes.id: each for each in (await lab.client.ListContainerStats()).stats}
    for pod, container in zip(pods, running, strict=True):
        usage, directory = stats[container.id], pod.cgroup.leaf(container.id)
        assert 0 < usage.memory.working_set_bytes.value <= int(read(directory, "memory.current")) + 4 * MIB
        assert 0 < usage.cpu.usage_core_nano_seconds.value <= 1000 * int(read(directory, "cpu.stat").split()[1])
        of_pod = (await lab.client.PodSandboxStats(pod_sandbox_id=pod.pod.id)).stats.linux
        assert of_pod.memory.working_set_bytes.value >= usage.memory.working_set_bytes.value // 2
        assert of_pod.cpu.usage_core_nano_seconds.value >= usage.cpu.usage_core_nano_seconds.value
        assert of_pod.process.process_count.value >= 2


async def test_pressure_is_what_the_kernel_says(lab, run):
    """Each of the three resources has the pressure of its file, of the container and of the pod's whole cgroup."""
    pod = await run(GUARANTEED)
    container = await pod.start(sh("while :; do :; done"), cpu_quota=5_000)
    directory = pod.cgroup.leaf(container.id)
    await asyncio.sleep(patient(1))
    before = {name: pressure(directory, name) for name in ("cpu", "memory", "io")}
    usage = (await lab.client.ContainerStats(container_id=container.id)).stats
    of_pod = (await lab.client.PodSandboxStats(pod_sandbox_id=pod.pod.id)).stats.linux
    after = {name: pressure(directory, name) for name in before}
    for name in before:
        own = getattr(usage, name).psi
        for kind in ("Some", "Full"):
            assert before[name][kind] * 1000 <= getattr(own, kind).Total <= after[name][kind] * 1000, (name, kind)
        assert getattr(of_pod, name).HasField("psi")
    assert usage.cpu.psi.Some.Total > 0
    assert of_pod.cpu.psi.Some.Total > 0


def pressure(directory, name):
    """The totals of a pressure file in microseconds."""
    lines = (line.split() for line in (directory / f"{name}.pressure").read_text().splitlines())
    return {words[0].title(): int(words[-1].partition("=")[2]) for words in lines}


async def test_a_resize_in_place(lab, run):
    """The kubelet makes the pod larger before the container and smaller after it; nothing is started again."""
    pod = await run(BURSTABLE)
    container = await pod.start(COUNT)
    directory, process = pod.cgroup.leaf(container.id), await pid_of(container)
    for shares, quota, memory in ((512, 80_000, 256 * MIB), (128, 20_000, 64 * MIB)):
        larger = memory > 128 * MIB
        limits = Limits(weight(shares), quota, memory, pod.qos.pod.pids)
        resources = {"cpu_shares": shares, "cpu_quota": quota, "cpu_period": 100_000, "memory_limit_in_bytes": memory}
        if larger:
            pod.cgroup.limit(limits)
        await lab.client.UpdateContainerResources(
            container_id=container.id, linux={**resources, "memory_swap_limit_in_bytes": memory}
        )
        if not larger:
            pod.cgroup.limit(limits)
        await lab.client.UpdatePodSandboxResources(pod_sandbox_id=pod.pod.id, resources=resources)
        assert read(directory, "memory.max") == str(memory)
        assert read(directory, "memory.swap.max") == "0"
        assert read(directory, "cpu.max") == f"{quota} 100000"
        assert read(directory, "cpu.weight") == str(weight(shares))
        assert read(directory, "memory.oom.group") == "1"
        assert pod.cgroup.read() == limits
        answer = (await container.status()).resources.linux
        assert (answer.cpu_shares, answer.cpu_quota, answer.memory_limit_in_bytes) == (shares, quota, memory)
    assert await pid_of(container) == process


async def test_memory_in_use(lab, run):
    """What a container has written into memory is in its statistics, and what its limit leaves is available."""
    pod = await run(BURSTABLE)
    container = await pod.start(sh("dd if=/dev/zero of=/dev/shm/full bs=1M count=40; echo full; sleep 3600"))
    await container.logged("full", 60)
    in_use = int(read(pod.cgroup.leaf(container.id), "memory.current"))
    assert in_use > 40 * MIB
    usage = (await lab.client.ContainerStats(container_id=container.id)).stats
    assert abs(usage.memory.usage_bytes.value - in_use) < 4 * MIB
    left = pod.qos.memory - usage.memory.working_set_bytes.value
    assert usage.memory.available_bytes.value == left


async def test_a_graceful_stop(run):
    """SIGTERM is heard and its exit code counts; what does not hear it is killed after its grace, which is no OOM."""
    pod = await run(BURSTABLE)
    heard = await pod.start(sh("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 1 & wait $!; done"))
    deaf = await pod.start(sh("trap '' TERM; echo up; while :; do sleep 1; done"))
    for container in (heard, deaf):
        await container.logged("up", 60)
    began = time.monotonic()
    await heard.stop(timeout=60)
    assert time.monotonic() - began < 60
    await deaf.stop(timeout=1)
    statuses = [await container.status() for container in (heard, deaf)]
    assert [(status.exit_code, status.reason) for status in statuses] == [(5, "Error"), (137, "Error")]
    assert (await heard.logged("bye")).splitlines() == ["up", "bye"]


async def test_the_daemon_is_restarted(lab, run):
    """Pods of all classes run on, in the same cgroups under the same limits, and statistics go on."""
    pods = [await run(qos) for qos in CLASSES]
    running = [await pod.start(COUNT) for pod in pods]
    before = [await pid_of(container) for container in running]
    used = [
        (await lab.client.ContainerStats(container_id=each.id)).stats.cpu.usage_core_nano_seconds.value
        for each in running
    ]
    await asyncio.to_thread(lab.bridge.kill9)
    await asyncio.to_thread(lab.bridge.start)
    assert [await pid_of(container) for container in running] == before
    for pod, container, earlier in zip(pods, running, used, strict=True):
        assert pod.cgroup.read() == pod.qos.pod
        assert read(pod.cgroup.leaf(container.id), "memory.max") == str(pod.qos.memory or "max")
        usage = (await lab.client.ContainerStats(container_id=container.id)).stats
        assert usage.cpu.usage_core_nano_seconds.value >= earlier
        count = len(container.entries())
        await container.logged(f"line {count + 3}", 60)


async def test_a_pod_leaves_an_empty_cgroup(run):
    """After its removal the kubelet can remove the pod's cgroup; the one of another pod of its class stays."""
    staying, going = await run(BEST_EFFORT), await run(BEST_EFFORT)
    for pod in (staying, going):
        await pod.start(("sleep", "3600"))
    await going.pod.remove()
    assert not [each for each in going.cgroup.directory.glob("*") if each.is_dir()]
    going.cgroup.remove()
    assert not going.cgroup.directory.exists()
    assert staying.cgroup.read() == BEST_EFFORT.pod


@pytest.fixture
def swap(tmp_path):
    """A node with some swap."""
    if os.environ.get("LAB_OWNS_MACHINE") != "1":
        pytest.skip("gives swap to a machine of its own: make test-guest")
    file = tmp_path / "swap"
    with file.open("wb") as empty:
        os.posix_fallocate(empty.fileno(), 0, 160 * MIB)
    file.chmod(0o600)
    for command in (["mkswap", str(file)], ["swapon", str(file)]):
        subprocess.run(command, check=True, capture_output=True)
    yield
    subprocess.run(["swapoff", str(file)], check=True, capture_output=True)


@pytest.mark.usefixtures("swap")
async def test_swap_in_use(lab, run):
    """With a kubelet's LimitedSwap, what does not fit into memory is in swap, and the statistics say how much."""
    pod = await run(BURSTABLE)
    memory, swapped = 24 * MIB, 64 * MIB
    container = await pod.start(
        sh("dd if=/dev/zero of=/dev/shm/full bs=1M count=40; echo full; sleep 3600"),
        memory=memory,
        memory_swap_limit_in_bytes=memory + swapped,
    )
    await container.logged("full", 120)
    directory = pod.cgroup.leaf(container.id)
    assert read(directory, "memory.swap.max") == str(swapped)
    answer = (await lab.client.ContainerStats(container_id=container.id)).stats
    in_use = int(read(directory, "memory.swap.current"))
    assert in_use > 10 * MIB
    assert abs(answer.swap.swap_usage_bytes.value - in_use) < 4 * MIB
    assert answer.swap.swap_available_bytes.value == swapped - answer.swap.swap_usage_bytes.value
    assert answer.memory.usage_bytes.value <= memory
    await container.stop()
