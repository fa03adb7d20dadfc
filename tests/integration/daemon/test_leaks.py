"""After pods are removed, and after requests that failed, nothing is left on the node: counted before and after."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import urllib.request

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.census import Census, wait_clean
from lab.cri_client import failure
from lab.images import busybox_image, push
from lab.pod_configs import container_config, pod_config, sh
from lab.processes import command_lines
from lab.registry import free_port
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_the_census_sees_a_pod(lab, nothing_left):
    """The count that the other tests trust does see what a running pod holds, in every respect."""
    port = cri.PortMapping(container_port=80, host_port=free_port())
    pod = await run_pod(lab, port_mappings=[port])
    await pod.start()
    now = await asyncio.to_thread(Census.take, lab)
    for name in Census.__dataclass_fields__:
        if name not in {"leases", "ingests", "images", "cni_results"}:
            assert getattr(now, name) - getattr(nothing_left, name), name
    await pod.remove()


async def test_a_whole_life(lab, tmp_path):
    """A pod with host port, volumes, a failed and a killed container, an exec and a reopened log leaves nothing."""
    push(lab.images.address, "leaky:1", busybox_image(volumes=["/data"], files={"data/x": b"x"}))
    image = f"{lab.images.address}/leaky:1"
    await lab.client.PullImage(image={"image": image})
    port = cri.PortMapping(container_port=80, host_port=free_port())
    pod = await run_pod(lab, port_mappings=[port], annotations={"kubernetes.io/ingress-bandwidth": "10M"})
    main = await pod.start(image=image, mounts=[cri.Mount(container_path="/mnt", host_path=str(tmp_path))])
    await main.output("cat /data/x")
    await failure(main.execute("sleep", "100", timeout=1))
    await lab.client.ReopenContainerLog(container_id=main.id)
    await failure((await pod.create(command=("no-such-program",))).start())
    await (await pod.start(command=sh("exit 3"))).ended()
    await (await pod.start(stdin=True, tty=True)).stop(timeout=0)
    await pod.create()
    await pod.remove()
    await lab.client.RemoveImage(image={"image": image})


async def test_twelve_pods_at_once(lab):
    """Twelve pods with two containers each, run and removed at the same time, leave nothing."""

    async def life() -> None:
        pod = await run_pod(lab)
        await asyncio.gather(pod.start(), pod.start(command=sh("exit 0")))
        await pod.remove()

    await asyncio.gather(*(life() for _ in range(12)))


async def test_a_stopped_pod_holds_no_network(lab, nothing_left):
    """What belongs to the network is given back when the pod stops, not only when it is removed."""
    pod = await run_pod(lab)
    await pod.stop()
    left = nothing_left.difference(await asyncio.to_thread(Census.take, lab))
    assert not [line for line in left.splitlines() if line.startswith(("netns", "ip_res", "veth", "iptab", "cni_res"))]
    await pod.remove()


async def test_a_network_plugin_that_fails(lab, moody):
    """A failing CNI ADD fails the pod with the plugin's words, and leaves neither pod nor address."""
    moody.be("fail-ADD")
    config = pod_config(cgroup_parent=lab.cgroup_parent)
    _, message = await failure(lab.client.RunPodSandbox(config=config))
    assert "in a bad mood" in message
    assert not (await lab.client.ListPodSandbox()).items
    moody.be()
    again = await run_pod(lab, name=config.metadata.name, uid=config.metadata.uid)
    await again.remove()


async def test_a_network_plugin_that_hangs(lab, moody):
    """A hanging CNI ADD is ended after its time; the error names it, and neither pod, address nor process is left."""
    moody.be("hang-ADD")
    _, message = await failure(lab.client.RunPodSandbox(config=pod_config(cgroup_parent=lab.cgroup_parent)))
    assert "moody" in message
    assert not (await lab.client.ListPodSandbox()).items
    plugin = str(moody.mood_file.parent / "bin" / "moody")
    assert not [arguments for _, arguments in command_lines() if arguments[-1] == plugin]


async def test_a_network_plugin_that_fails_to_undo(lab, moody):
    """When CNI DEL fails after ADD failed, the pod stays listed as not ready, and can be removed once DEL works."""
    moody.be("fail-ADD", "fail-DEL")
    await failure(lab.client.RunPodSandbox(config=pod_config(cgroup_parent=lab.cgroup_parent)))
    pods = (await lab.client.ListPodSandbox()).items
    assert [item.state for item in pods] == [cri.SANDBOX_NOTREADY]
    assert 0 < pods[0].created_at <= time.time_ns()
    moody.be()
    await lab.client.StopPodSandbox(pod_sandbox_id=pods[0].id)
    await lab.client.RemovePodSandbox(pod_sandbox_id=pods[0].id)


async def test_a_network_plugin_that_fails_to_delete(lab, moody):
    """A failing CNI DEL fails StopPodSandbox with its words; a later stop succeeds."""
    pod = await run_pod(lab)
    moody.be("fail-DEL")
    _, message = await failure(lab.client.StopPodSandbox(pod_sandbox_id=pod.id))
    assert "in a bad mood" in message
    moody.be()
    await pod.remove()


async def test_many_starts_that_fail_at_once(lab):
    """The network is made beside a task that cannot be: all of it is undone, and no plugin was cut in the middle."""

    async def starts(count):
        for _ in range(count):
            config = pod_config(cgroup_parent=lab.cgroup_parent)
            _, message = await failure(lab.client.RunPodSandbox(config=config, runtime_handler="broken"))
            assert "no-such-runc" in message

    logged = len(lab.bridge.log)
    await asyncio.gather(*(starts(5) for _ in range(8)))
    assert not (await lab.client.ListPodSandbox()).items
    assert lab.network.reservations() == []
    assert "network.undo_repeated" not in lab.bridge.log[logged:]


async def test_a_runtime_that_is_missing(lab):
    """A runtime whose program does not exist fails the pod and leaves nothing of it."""
    call = lab.client.RunPodSandbox(config=pod_config(cgroup_parent=lab.cgroup_parent), runtime_handler="broken")
    _, message = await failure(call)
    assert "no-such-runc" in message
    assert not (await lab.client.ListPodSandbox()).items


@pytest.mark.parametrize(
    "config",
    [
        {"command": ("no-such-program",)},
        {"security": {"run_as_username": "nobody-knows"}},
        {"devices": [cri.Device(host_path="/dev/no-such", container_path="/dev/x", permissions="r")]},
        {"image": "not/pulled:1"},
        {"pid": cri.TARGET, "target_id": "f" * 64},
        {"working_dir": "/etc/passwd"},
        {"mounts": [cri.Mount(host_path="/proc/no/such", container_path="/mnt")]},
    ],
    ids=lambda config: next(iter(config)),
)
async def test_a_container_that_cannot_be(lab, config):
    """A container whose creation or start fails can be removed with its pod and leaves nothing."""
    pod = await run_pod(lab)
    await failure(pod.start(**config))
    await pod.remove()


async def test_a_failed_container_leaves_nothing_while_its_pod_runs(lab):
    """A creation that fails leaves no container, snapshot or directory even before the pod is removed."""
    pod = await run_pod(lab)
    before = await asyncio.to_thread(Census.take, lab)
    await failure(pod.create(security={"run_as_username": "nobody-knows"}))
    await failure(pod.create(image="not/pulled:1"))
    assert await wait_clean(lab, before) == ""
    container = await pod.create(command=("no-such-program",))
    await failure(container.start())
    await container.remove()
    assert await wait_clean(lab, before) == ""
    await pod.remove()


def operations_in_flight(lab):
    """How many mutations the daemon is at, those whose caller has gone included. Blocks."""
    address = (lab.bridge.state / "http-address").read_text().strip()
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as response:
        (value,) = re.findall(r"^cri_shim_operations_in_flight (\S+)$", response.read().decode(), re.MULTILINE)
    return float(value)


@pytest.mark.parametrize("patience", [0.005, 0.02, 0.05, 0.1])
async def test_callers_that_hang_up(lab, patience):
    """Callers that give up in the middle of a pod's start leave whole pods or none; all of them can be removed."""

    async def impatient(config: cri.PodSandboxConfig) -> None:
        with contextlib.suppress(grpc.aio.AioRpcError):
            pod_id = (await lab.client.RunPodSandbox(config=config, _deadline=patience)).pod_sandbox_id
            container = container_config(lab.busybox)
            request = {"pod_sandbox_id": pod_id, "config": container, "sandbox_config": config}
            created = await lab.client.CreateContainer(**request, _deadline=patience)
            await lab.client.StartContainer(container_id=created.container_id, _deadline=patience)

    await asyncio.gather(*(impatient(pod_config(cgroup_parent=lab.cgroup_parent)) for _ in range(4)))
    await asyncio.sleep(0.2)  # what has been sent arrives
    async with asyncio.timeout(30):
        while await asyncio.to_thread(operations_in_flight, lab):
            await asyncio.sleep(0.1)
    await lab.remove_all()


async def test_a_caller_that_hangs_up_while_stopping(lab):
    """A stop whose caller gave up goes on, or can be repeated; the pod is removed and leaves nothing."""
    pod = await run_pod(lab)
    container = await pod.start(command=sh("trap '' TERM; while :; do sleep 0.1; done"))
    await failure(lab.client.StopContainer(container_id=container.id, timeout=30, _deadline=0.2))
    await failure(lab.client.RemovePodSandbox(pod_sandbox_id=pod.id, _deadline=0.01))
    await pod.remove()


async def test_a_pull_that_fails(lab):
    """A pull of what does not exist leaves no image, no ingest and no lease."""
    await failure(lab.client.PullImage(image={"image": f"{lab.images.address}/nothing:1"}))


async def test_an_image_that_is_pulled_and_removed(lab):
    """After RemoveImage neither the image nor what was unpacked of it is left, once containerd has collected."""
    push(lab.images.address, "short:1", busybox_image(files={"short-lived": b"x" * 1000}))
    await lab.client.PullImage(image={"image": f"{lab.images.address}/short:1"})
    await lab.client.RemoveImage(image={"image": f"{lab.images.address}/short:1"})
