"""A real kubelet with systemd slices: its three QoS classes, OOM, and restarts of every daemon under running pods."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab import cgroup_driver
from lab.log_file import read_log
from tests.guest.installed import UNIT as DAEMON
from tests.guest.installed import allowed, connected, installed, systemctl
from tests.guest.kubelet.pods import MIB, weight
from tests.guest.kubelet.real import (
    PROGRAM,
    UNIT,
    container_status,
    fetched,
    kubelet,
    pods,
    remove_pod,
    until,
    write_pod,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not allowed(), reason="installs units on a machine of its own: make test-guest"),
    pytest.mark.skipif(not PROGRAM.exists(), reason="no kubelet was given: GUEST_KUBELET=/path/to/kubelet"),
]
COUNT = "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done"
QOS = {"guaranteed": "Guaranteed", "burstable": "Burstable", "besteffort": "BestEffort"}
SLICES = cgroup_driver.ROOT / "kubepods.slice"


@pytest.fixture(scope="module")
def machine():
    """This machine with the project and a kubelet installed on it."""
    with installed() as node, kubelet():
        yield node


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def image(machine):
    """The image of the pods, which the daemon has."""
    async with connected() as client:
        await client.PullImage(image={"image": machine.image})
    return machine.image


@pytest.fixture
def three(image):
    """A running pod of each class, by name."""
    for name in QOS:
        write_pod(name, image, COUNT)
    until(lambda: all("running" in container_status(name).get("state", {}) for name in QOS))
    return {name: pods()[name] for name in QOS}


def slice_of(pod):
    """The directory of the pod's slice, as the kubelet makes it."""
    name, uid = pod["metadata"]["name"].removesuffix("-guest"), pod["metadata"]["uid"].replace("-", "_")
    if name == "guaranteed":
        return SLICES / f"kubepods-pod{uid}.slice"
    return SLICES / f"kubepods-{name}.slice/kubepods-{name}-pod{uid}.slice"


def identity(name):
    """Which container runs, and how often it was started anew."""
    status = container_status(name)
    return status.get("containerID"), status.get("restartCount")


def log_of(pod):
    """The lines of the pod's container, by their numbers."""
    uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
    (path,) = Path("/var/log/pods", f"default_{name}_{uid}", "main").glob("*.log")
    return [int(entry.content.split()[1]) for entry in read_log(path)]


def weights(shares):
    """The cpu.weight of CPU shares: as runc before 1.3 converts it, and as runc 1.3.2 and kubelets from 1.35 on do."""
    power = math.log2(shares)
    return {weight(shares), math.ceil(10 ** ((power * power + 125 * power) / 612 - 7 / 34))}


def test_pods_of_the_three_classes(three):
    """Each is of its class, in its slice, with the limits of its manifest in the slice and in the scope."""
    shares = {"guaranteed": 204, "burstable": 102, "besteffort": 2}
    memory = {"guaranteed": 64 * MIB, "burstable": 96 * MIB, "besteffort": 0}
    scores = {"guaranteed": range(-997, -996), "burstable": range(3, 1000), "besteffort": range(1000, 1001)}
    for name, pod in three.items():
        assert pod["status"]["qosClass"] == QOS[name]
        id_ = container_status(name)["containerID"].removeprefix("cri-shim://")
        of_pod = slice_of(pod)
        scope = of_pod / f"cri-containerd-{id_}.scope"
        process = (scope / "cgroup.procs").read_text().split()[0]
        for cgroup in (of_pod, scope):
            assert (cgroup / "memory.max").read_text().strip() == str(memory[name] or "max")
            assert int((cgroup / "cpu.weight").read_text()) in weights(shares[name])
        assert (of_pod / "pids.max").read_text().strip() == "500"
        assert (scope / "memory.oom.group").read_text().strip() == "1"
        assert int(Path(f"/proc/{process}/oom_score_adj").read_text()) in scores[name]
    assert (SLICES / "memory.max").read_text() != "max\n"


def test_the_kubelets_statistics(three):
    """Its summary has every pod, with memory and CPU time of each."""
    until(lambda: set(QOS) <= set(measured()), 24)
    for usage in measured().values():
        assert usage["cpu"]["usageCoreNanoSeconds"] > 0
        assert usage["containers"][0]["memory"]["workingSetBytes"] > 0


def measured():
    """The pods of the kubelet's summary whose memory it has read already, by name."""
    pods_read = fetched("/stats/summary").get("pods") or ()
    named = {each["podRef"]["name"].removesuffix("-guest"): each for each in pods_read}
    return {name: each for name, each in named.items() if each.get("memory", {}).get("workingSetBytes", 0) > 0}


def test_memory_runs_out_again_and_again(image):
    """The kubelet shows OOMKilled as the reason of each end."""
    write_pod("hungry", image, "sleep 1; tail /dev/zero; sleep 1000", qos="burstable")
    until(lambda: container_status("hungry").get("restartCount", 0) >= 2)
    ended = container_status("hungry")["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    remove_pod("hungry")
    until(lambda: "hungry" not in pods())


@pytest.mark.parametrize("units", [[DAEMON], ["containerd.service"], [UNIT], [DAEMON, UNIT, "containerd.service"]])
def test_daemons_are_restarted(three, units):
    """No container is started anew, no pod is evicted, and no line of a log is missing or there twice."""
    before = {name: identity(name) for name in QOS}
    lines = {name: len(log_of(pod)) for name, pod in three.items()}
    for unit in units:
        systemctl("restart", unit)
    until(lambda: set(QOS) <= set(pods()) and all(len(log_of(three[name])) > lines[name] + 20 for name in QOS))
    until(lambda: all("running" in container_status(name).get("state", {}) for name in QOS))
    assert {name: identity(name) for name in QOS} == before
    for name, pod in three.items():
        numbers = log_of(pod)
        assert numbers == list(range(1, len(numbers) + 1))
        assert pods()[name]["status"].get("reason") != "Evicted"
        assert slice_of(pod).is_dir()


@pytest.mark.asyncio(loop_scope="session")
async def test_pods_leave_nothing(three):
    """Without their manifests the kubelet ends the pods, and its slices of them go too."""
    directories = [slice_of(pod) for pod in three.values()]
    for name in QOS:
        remove_pod(name)
    until(lambda: not pods())
    until(lambda: not any(directory.exists() for directory in directories), 24)
    async with connected() as client:
        assert not [each for each in (await client.ListContainers()).containers if each.state == cri.CONTAINER_RUNNING]
        sandboxes = (await client.ListPodSandbox()).items
        assert not [each for each in sandboxes if each.state == cri.SANDBOX_READY]
        for each in sandboxes:  # which the kubelet would remove a minute later
            await client.RemovePodSandbox(pod_sandbox_id=each.id)
