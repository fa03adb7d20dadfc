"""Pods without a pause process (``sandbox.infra = "pinned"``): what they do without, and that they last like others."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.bridge import merged
from lab.cri_client import failure
from lab.lab import Lab
from lab.pod_configs import pod_config, sh
from lab.pods import fetch, web_server
from tests.integration.daemon.conftest import moody_settings, run_pod
from tests.integration.daemon.recovery.test_containerd_away import until_ready
from tests.integration.daemon.recovery.test_recovery import (
    crash_and_return,
    everything,
    life,
    test_a_reboot,
    test_everything_is_what_it_was,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.usefixtures("nothing_left")

# These are run here on pinned pods, because they get this module's node.
__all__ = ["test_a_reboot", "test_everything_is_what_it_was"]

KINDS = ("net", "uts", "ipc")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    plugins, settings = moody_settings(tmp_path_factory.mktemp("cni"))
    settings = merged(settings, {"sandbox": {"infra": "pinned"}})
    async with Lab("bridge", settings=settings, cni_plugins=plugins) as lab:
        yield lab


async def info(lab, pod):
    """The verbose status."""
    return json.loads((await lab.client.PodSandboxStatus(pod_sandbox_id=pod.id, verbose=True)).info["info"])


async def pinned(lab, pod):
    """Whether a pod has no process, by what is on the node."""
    tasks = await asyncio.to_thread(lab.containerd.ctr, "tasks", "list", "--quiet")
    return pod.id not in tasks.split()


async def namespaces(container):
    """The shared namespaces of a process in a container."""
    return [await container.output(f"readlink /proc/self/ns/{kind}") for kind in KINDS]


async def test_nothing_runs_until_a_container_does(lab):
    """A ready pod without containers has an address, and no task, no shim and no snapshot."""
    pod = await run_pod(lab)
    assert (await pod.status()).state == cri.SANDBOX_READY
    assert await pod.ip()
    assert not lab.containerd.shims()
    assert not (await asyncio.to_thread(lab.containerd.ctr, "tasks", "list", "--quiet")).split()
    assert pod.id not in await asyncio.to_thread(lab.containerd.ctr, "snapshots", "list")
    details = await info(lab, pod)
    assert (details["pid"], details["infra"], details["snapshotKey"]) == (0, "pinned", "")
    await pod.remove()


@pytest.mark.parametrize(
    "config",
    [
        {"pid": cri.POD},
        {"pid": cri.NODE},
        {"network": cri.NODE},
        {"network": cri.NODE, "ipc": cri.NODE},
    ],
)
async def test_pods_that_need_a_process_have_one(lab, config):
    """With shared processes, or on the node's network, a pod has its pause process as ever."""
    pod = await run_pod(lab, **config)
    assert not await pinned(lab, pod)
    container = await pod.start(**config)
    assert await container.output("echo fine") == "fine"
    await pod.remove()


async def test_the_namespaces_outlive_every_container(lab):
    """Containers that come one after another find the pod's namespaces, host name and shared memory again."""
    pod = await run_pod(lab, hostname="lasting")
    first = await pod.start()
    before = await namespaces(first)
    await first.output("echo kept > /dev/shm/note")
    await first.stop()
    await first.remove()
    assert not lab.containerd.shims()
    second = await pod.start()
    assert await namespaces(second) == before
    assert await second.output("hostname; cat /dev/shm/note") == "lasting\nkept"
    assert not set(before) & {os.readlink(f"/proc/self/ns/{kind}") for kind in KINDS}
    await pod.remove()


async def test_one_containers_end_is_not_the_others(lab):
    """When the container that was first in its pod ends and is removed, the others live on and can be used."""
    pod = await run_pod(lab)
    first = await pod.start()
    second = await pod.start(command=sh("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done"))
    await first.stop()
    await first.remove()
    assert await second.output("echo still here") == "still here"
    await asyncio.to_thread(lab.containerd.kill9)
    await asyncio.to_thread(lab.containerd.start)
    seen = len(second.entries())
    await second.logged(f"line {seen + 5}")
    third = await pod.start(command=sh("exit 3"))
    assert (await third.ended()).exit_code == 3
    await second.stop()
    assert (await second.status()).exit_code == 137
    await pod.remove()


async def test_containerd_goes_and_comes_back(lab):
    """Pods are ready and serve, and lines that were written meanwhile are in the log.

    A container that ended meanwhile has its exit code in front of containerd 1.6. Later ones, when they start, end a
    shim none of whose processes runs, before it can tell; with a pause process one always does.
    """
    pod = await run_pod(lab)
    web = await pod.start(command=web_server("serving"))
    talker = await pod.start(command=sh("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.05; done"))
    short = await pod.start(command=sh("sleep 1; echo gone; exit 8"))
    ip = await pod.ip()
    await asyncio.to_thread(lab.containerd.kill9)
    await until_ready(lab, False)
    assert await fetch(ip, 8080) == "serving"
    await asyncio.sleep(2)
    await asyncio.to_thread(lab.containerd.start)
    await until_ready(lab, True, seconds=30)
    assert (await pod.status()).state == cri.SANDBOX_READY
    status = await short.ended()
    known = (status.exit_code, status.reason) == (8, "Error")
    assert known or (lab.containerd.version >= (1, 7) and (status.exit_code, status.reason) == (255, "Unknown"))
    assert await short.logged("gone")
    assert await fetch(await pod.ip(), 8080) == "serving"
    assert await web.output("echo exec works") == "exec works"
    await talker.stop()
    numbers = [int(entry.content.split()[1]) for entry in talker.entries()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert await pod.output("echo another one") == "another one"
    await pod.remove()


async def test_sysctls(lab):
    """Parameters of network, IPC and of one interface are set in the pod and not on the node."""
    sysctls = {
        "net.ipv4.ip_forward": "0",
        "kernel.shmmni": "123",
        "fs.mqueue.msg_max": "7",
        "net.ipv4.conf.eth0.log_martians": "1",
    }
    files = [f"/proc/sys/{name.replace('.', '/')}" for name in sysctls]
    shared = [Path(file).read_text() for file in files[:3]]
    pod = await run_pod(lab, sysctls=sysctls)
    assert (await pod.output(f"cat {' '.join(files)}")).split() == list(sysctls.values())
    assert await pod.output("cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "0"
    assert [Path(file).read_text() for file in files[:3]] == shared
    await pod.remove()


@pytest.mark.parametrize(
    ("sysctls", "said"),
    [
        ({"kernel.panic": "1"}, "kernel.panic"),
        ({"net.ipv4.ip_forward": "nonsense"}, "net/ipv4/ip_forward"),
        ({"net.ipv4.conf.eth7.forwarding": "1"}, "net/ipv4/conf/eth7/forwarding"),
    ],
)
async def test_sysctls_that_cannot_be(lab, sysctls, said):
    """A parameter of the node, a bad value, an interface that is not there: the pod is refused and nothing stays."""
    code, message = await failure(run_pod(lab, sysctls=sysctls))
    assert code.name == "INVALID_ARGUMENT"
    assert said in message


async def test_a_network_that_fails_leaves_nothing(lab, moody):
    """When CNI fails, no namespace, record or directory is left."""
    moody.be("fail-ADD")
    await failure(run_pod(lab))
    assert not (await lab.client.ListPodSandbox()).items


async def test_a_stop_whose_network_fails_can_be_repeated(lab, moody):
    """A CNI DEL that fails is told; the pod is not ready by then, and stays so over a crash; the next stop ends it."""
    pod = await run_pod(lab)
    container = await pod.start()
    moody.be("fail-DEL")
    await failure(pod.stop())
    assert (await container.status()).state == cri.CONTAINER_EXITED
    assert (await pod.status()).state == cri.SANDBOX_NOTREADY
    await asyncio.to_thread(crash_and_return, lab)
    assert (await pod.status()).state == cri.SANDBOX_NOTREADY
    moody.be()
    await pod.remove()


@pytest.mark.parametrize("moment", [0.01, 0.04, 0.1, 0.2])
async def test_killed_in_the_middle(lab, moment):
    """Killed while three pods are anywhere between start and removal: removing what is listed leaves nothing."""
    configs = [pod_config(cgroup_parent=lab.cgroup_parent) for _ in range(3)]
    lives = [asyncio.create_task(life(lab, config)) for config in configs]
    await asyncio.sleep(moment)
    await asyncio.to_thread(crash_and_return, lab)
    await asyncio.gather(*lives)
    await lab.remove_all()
    assert not (await lab.client.ListContainers()).containers


async def test_namespaces_that_were_taken_away(lab):
    """A pod one of whose namespaces has gone while the daemon was away is not ready, and can be removed."""
    pod = await run_pod(lab)
    await asyncio.to_thread(lab.bridge.kill9)
    place = lab.state / "sandboxes" / pod.id / "pinned-namespaces" / "uts"
    process = await asyncio.create_subprocess_exec("umount", str(place))
    assert await process.wait() == 0
    await asyncio.to_thread(lab.bridge.start)
    assert (await pod.status()).state == cri.SANDBOX_NOTREADY
    await pod.remove()


async def test_the_setting_is_of_new_pods_only(lab):
    """Set back to pause, and set again: pods of both kinds are what they were, take containers, and go."""
    old = await run_pod(lab)
    web = await old.start(command=web_server("old"))
    lab.bridge.settings["sandbox"]["infra"] = "pause"
    try:
        before = await everything(lab)
        await asyncio.to_thread(lab.bridge.restart)
        assert await everything(lab) == before
        new = await run_pod(lab)
        assert await pinned(lab, old)
        assert not await pinned(lab, new)
        later = await old.start()
        assert await namespaces(later) == await namespaces(web)
        assert await fetch(await old.ip(), 8080) == "old"
    finally:
        lab.bridge.settings["sandbox"]["infra"] = "pinned"
        await asyncio.to_thread(lab.bridge.restart)
    assert (await new.status()).state == cri.SANDBOX_READY
    await new.remove()
    await old.remove()


async def test_statistics_of_a_pod_without_containers(lab):
    """The pod's network is counted with no process in it, and its cgroup once there is one."""
    pod = await run_pod(lab)
    stats = (await lab.client.PodSandboxStats(pod_sandbox_id=pod.id)).stats.linux
    assert stats.network.default_interface.name == "eth0"
    container = await pod.start(command=sh("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 60"))
    await asyncio.sleep(1)
    stats = (await lab.client.PodSandboxStats(pod_sandbox_id=pod.id)).stats.linux
    assert stats.cpu.usage_core_nano_seconds.value > 0
    assert stats.memory.working_set_bytes.value > 0
    assert [one.attributes.id for one in stats.containers] == [container.id]
    await pod.remove()


async def test_statistics_of_a_pod_without_a_cgroup_of_its_own(lab):
    """A pod that names no cgroup parent is the sum of its containers, with its own network."""
    pod = await run_pod(lab, cgroup_parent="")
    await pod.start()
    stats = (await lab.client.PodSandboxStats(pod_sandbox_id=pod.id)).stats.linux
    (container,) = stats.containers
    assert 0 < container.memory.usage_bytes.value == stats.memory.usage_bytes.value
    assert stats.network.default_interface.name == "eth0"
    await pod.remove()


async def test_a_container_cannot_share_what_is_not_there(lab):
    """A container that wants its pod's processes, in a pod that has none of its own, is refused with the reason."""
    pod = await run_pod(lab)
    code, message = await failure(pod.create(pid=cri.POD))
    assert code.name == "INVALID_ARGUMENT"
    assert "pid namespace mode POD" in message
    await pod.remove()
