"""Memory that runs out on cgroup v2: every such end is OOMKilled, and no other one is, under either cgroup driver.

With the systemd driver a container's cgroup is removed together with its count as soon as its last process is gone.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import time
from pathlib import Path

import pytest

from lab import cgroup_driver
from lab.patience import patient
from lab.pod_configs import sh
from tests.guest.kubelet.pod_cgroups import Limits
from tests.guest.kubelet.pods import BEST_EFFORT, BURSTABLE, CLASSES, GUARANTEED, MIB, POD_PIDS

pytestmark = [
    pytest.mark.root,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not cgroup_driver.unified(), reason="counts as cgroup v2 does: make test-guest"),
]
SMALL = 24 * MIB
HUNGRY = ("tail", "/dev/zero")
PARENT_OF_HUNGRY = sh("tail /dev/zero; sleep 3600")
SLEEP = ("sleep", "3600")
ROUNDS = range(int(os.environ.get("OOM_ROUNDS", "5")))
"""Each kills six containers for want of memory and two by a signal."""


def reasons(statuses):
    """Exit codes and reasons."""
    return [(status.exit_code, status.reason) for status in statuses]


async def process_of(container):
    """Its process, as the host counts."""
    answer = await container.client.ContainerStatus(container_id=container.id, verbose=True)
    return json.loads(answer.info["info"])["pid"]


async def first_statuses(containers):
    """The status with which each is first seen to have ended: it must be right at once, not a moment later."""
    return await asyncio.gather(*(container.ended(60) for container in containers))


@pytest.mark.parametrize("qos", CLASSES, ids=lambda qos: qos.name)
async def test_again_and_again(run, qos):
    """A container that is started again after each end is OOMKilled each time, as in a CrashLoopBackOff."""
    pod = await run(qos)
    for attempt in range(3):
        container = await pod.start(HUNGRY, "hungry", memory=SMALL, attempt=attempt)
        assert reasons(await first_statuses([container])) == [(137, "OOMKilled")]
        await container.remove()


async def test_every_kill_is_told_from_every_signal(run):
    """In each round, six containers in three pods run out of memory while two in the same pods get a SIGKILL."""
    pods = [await run(qos) for qos in (GUARANTEED, BURSTABLE, BEST_EFFORT)]
    seen = {"OOMKilled": 0, "Error": 0}
    for _ in ROUNDS:
        bystanders = await asyncio.gather(*(pod.start(SLEEP) for pod in pods[1:]))
        processes = [await process_of(container) for container in bystanders]
        commands = itertools.cycle((HUNGRY, PARENT_OF_HUNGRY))
        hungry = [
            await pod.pod.create(command=next(commands), resources=pod.qos.resources(memory=SMALL))
            for pod in pods
            for _ in range(2)
        ]
        starts = [asyncio.create_task(container.start()) for container in hungry]
        ends = asyncio.gather(*(container.ended(60) for container in hungry))
        await asyncio.sleep(patient(0.2))
        for process in processes:
            os.kill(process, signal.SIGKILL)
        await asyncio.gather(*starts)
        assert reasons(await ends) == [(137, "OOMKilled")] * len(hungry)
        assert reasons(await first_statuses(bystanders)) == [(137, "Error")] * len(bystanders)
        seen["OOMKilled"] += len(hungry)
        seen["Error"] += len(bystanders)
        await asyncio.gather(*(container.remove() for container in (*hungry, *bystanders)))
    print(f"\nends by driver {os.environ.get('LAB_CGROUP_DRIVER', 'cgroupfs')}: {seen}")


async def test_the_pod_runs_out_of_memory(run):
    """Neither container has a limit and the pod's is reached: the one that took it is OOMKilled, the other runs on."""
    pod = await run(BURSTABLE, limits=Limits(10, 0, 64 * MIB, POD_PIDS))
    other = await pod.start(SLEEP, memory=0, oom_score_adj=2)
    hungry = await pod.start(PARENT_OF_HUNGRY, memory=0, oom_score_adj=999)
    assert reasons(await first_statuses([hungry])) == [(137, "OOMKilled")]
    await asyncio.sleep(patient(0.2))
    assert (await other.status()).finished_at == 0
    os.kill(await process_of(other), signal.SIGKILL)
    assert reasons(await first_statuses([other])) == [(137, "Error")]


async def test_a_child_that_its_parent_outlives(run):
    """Without the group, the parent goes on; when it ends with an error of its own, memory was the reason, as always.

    containerd's plugin says the same if it gets the event in time.
    """
    pod = await run(BURSTABLE)
    script = "tail /dev/zero; test $? = 137 || exit 9; exit {}"
    ends = [(3, "OOMKilled"), (0, "Completed")]
    containers = [await pod.start(sh(script.format(code)), memory=SMALL, unified={}) for code, _ in ends]
    assert reasons(await first_statuses(containers)) == ends
    plain = await pod.start(sh("exit 3"))
    assert reasons(await first_statuses([plain])) == [(3, "Error")]


async def test_while_no_daemon_runs(lab, run):
    """What ran out of memory meanwhile is OOMKilled afterwards; what got a signal is not, then and later."""
    pods = [await run(BURSTABLE), await run(BEST_EFFORT)]
    late = sh("sleep 2; exec tail /dev/zero")
    hungry = [await pod.start(late, memory=SMALL) for pod in pods]
    killed, staying = await pods[1].start(SLEEP), await pods[0].start(SLEEP)
    processes = [await process_of(container) for container in (*hungry, killed)]
    last = await process_of(staying)
    await asyncio.to_thread(lab.bridge.kill9)
    os.kill(processes[-1], signal.SIGKILL)
    deadline = time.monotonic() + patient(60)
    while any(Path(f"/proc/{process}").exists() for process in processes):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    await asyncio.to_thread(lab.bridge.start)
    assert reasons(await first_statuses(hungry)) == [(137, "OOMKilled")] * 2
    assert reasons(await first_statuses([killed])) == [(137, "Error")]
    os.kill(last, signal.SIGKILL)
    assert reasons(await first_statuses([staying])) == [(137, "Error")]


async def test_a_static_pod_that_is_added_again(run):
    """It has the same cgroup, made anew, whose count begins at 0: the first kill in it counts."""
    uid = "0123456789abcdef0123456789abcdef"
    first = await run(BURSTABLE, uid=uid)
    for _ in range(2):
        container = await first.start(HUNGRY, memory=SMALL)
        assert reasons(await first_statuses([container])) == [(137, "OOMKilled")]
    await first.remove()
    again = await run(BURSTABLE, uid=uid)
    container = await again.start(HUNGRY, memory=SMALL)
    assert reasons(await first_statuses([container])) == [(137, "OOMKilled")]


async def test_the_metrics_count_the_kills(lab, run):
    """A container that goes on after kills in it has their number in its metrics, which is that of its cgroup."""
    pod = await run(BURSTABLE)
    script = "tail /dev/zero; tail /dev/zero; echo over; sleep 3600"
    container = await pod.start(sh(script), memory=SMALL, unified={})
    await container.logged("over", 120)
    counted = dict(line.split() for line in (pod.cgroup.leaf(container.id) / "memory.events").read_text().splitlines())
    assert counted["oom_kill"] == "2"
    answer = await lab.client.ListPodSandboxMetrics()
    (metrics,) = [one for one in answer.pod_metrics if one.pod_sandbox_id == pod.pod.id]
    values = {metric.name: metric.value.value for own in metrics.container_metrics for metric in own.metrics}
    assert values["container_oom_events_total"] == 2
    assert values["container_memory_failcnt"] == int(counted["max"])
