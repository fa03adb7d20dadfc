"""RunPodSandbox: what waits for what, and what is left when a step fails or a client hangs up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.pod_configs import NODE, pod_config
from tests.fakes.cgroups import FakeCgroups
from tests.fakes.cni import ADDRESS
from tests.fakes.containerd import FaultKind
from tests.fakes.service import until_idle
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.cni import FakeCni
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client

PINNED = {"sandbox": {"infra": "pinned"}}
BOTH = pytest.mark.parametrize("service", [{}, PINNED], ids=["pause", "pinned"], indirect=True)
STEPS = ("Snapshots/Prepare", "Containers/Create", "Tasks/Create")
"""The hops of a pod with a pause container that the answer waits for."""


def hops(fake: FakeContainerd, *methods: str) -> list[str]:
    """The calls of ``methods`` in the order in which containerd saw them."""
    return [call.method for call in fake.calls if call.method in methods]


@BOTH
async def test_a_pod_that_runs(service: Service, client: Client, cni: FakeCni) -> None:
    """It is listed as ready, has the plugin's address, and its record is complete when nothing is in flight."""
    config = pod_config()
    pod_id = (await client.RunPodSandbox(config=config)).pod_sandbox_id
    await until_idle(service)
    status = (await client.PodSandboxStatus(pod_sandbox_id=pod_id)).status
    assert status.state == cri.SANDBOX_READY
    assert status.network.ip == ADDRESS
    assert cni.attached == {pod_id}
    assert service.sandboxes.get(pod_id).config == config


async def test_order(service: Service, fake: FakeContainerd, client: Client) -> None:
    """The task is made when snapshot and record are there, and started when it is made."""
    await client.RunPodSandbox(config=pod_config())
    await until_idle(service)
    assert hops(fake, "Snapshots/Prepare", "Tasks/Create", "Tasks/Start") == [
        "Snapshots/Prepare",
        "Tasks/Create",
        "Tasks/Start",
    ]
    assert hops(fake, "Containers/Create", "Tasks/Create", "Containers/Update")[:2] == [
        "Containers/Create",
        "Tasks/Create",
    ]


@pytest.mark.parametrize("service", [PINNED], indirect=True)
async def test_order_of_a_pod_without_a_process(service: Service, fake: FakeContainerd, client: Client) -> None:
    """It needs neither snapshot nor task, and its addresses are recorded after its record is made."""
    await client.RunPodSandbox(config=pod_config())
    await until_idle(service)
    assert not hops(fake, "Snapshots/Prepare", "Tasks/Create", "Tasks/Start")
    assert hops(fake, "Containers/Create", "Containers/Update") == ["Containers/Create", "Containers/Update"]


async def test_the_task_is_made_while_the_network_is(fake: FakeContainerd, client: Client, cni: FakeCni) -> None:
    """A slow plugin holds up the answer and not the task."""
    cni.hold("ADD")
    running = asyncio.create_task(client.RunPodSandbox(config=pod_config()))
    await until(lambda: cni.commands == ["ADD"] and hops(fake, "Tasks/Create") and not hanging(fake))
    assert not running.done()
    cni.mend()
    await running


async def test_the_network_is_made_while_the_task_is(fake: FakeContainerd, client: Client, cni: FakeCni) -> None:
    """A slow runtime holds up the answer and not the network."""
    fake.faults.add("Tasks/Create", FaultKind.HANG)
    running = asyncio.create_task(client.RunPodSandbox(config=pod_config()))
    await until(lambda: fake.faults.hanging and [step for _, _, step in cni.calls] == ["begun", "ended"])
    assert not running.done()
    fake.faults.clear()
    await running


async def test_the_record_comes_before_the_network(fake: FakeContainerd, client: Client, cni: FakeCni) -> None:
    """A crash in the middle of ADD leaves a pod that is listed: no plugin runs before the record is written."""
    fake.faults.add("Containers/Create", FaultKind.HANG)
    running = asyncio.create_task(client.RunPodSandbox(config=pod_config()))
    await until(lambda: fake.faults.hanging)
    await asyncio.sleep(0.05)
    assert not cni.calls
    fake.faults.clear()
    await running


@pytest.mark.parametrize("method", STEPS)
async def test_undo_after_a_step_that_fails(
    method: str, fake: FakeContainerd, client: Client, left: Callable[[], str]
) -> None:
    """The client gets containerd's words and code, and nothing of the pod is left."""
    fake.faults.add(method, FaultKind.UNKNOWN, text="the disk is on fire")
    code, text = await failure(client.RunPodSandbox(config=pod_config()))
    assert code == grpc.StatusCode.UNKNOWN
    assert "the disk is on fire" in text
    assert method in text
    assert not left()


async def test_undo_after_a_runtime_that_was_ended(
    fake: FakeContainerd, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have made the pod's cgroups, which containerd, that knows of no task, cannot remove."""
    monkeypatch.setattr("cri_shim.rpc.sandbox_run.new_id", lambda: "f" * 64)
    cgroup = FakeCgroups(tmp_path / "cgroups").directory("memory", f"/pods/{'f' * 64}")
    cgroup.mkdir(parents=True)
    fake.faults.add("Tasks/Create", FaultKind.UNKNOWN, text="killed")
    await failure(client.RunPodSandbox(config=pod_config(cgroup_parent="/pods")))
    assert cgroup.parent.exists()
    assert not cgroup.exists()


@BOTH
async def test_undo_after_a_plugin_that_fails(client: Client, cni: FakeCni, left: Callable[[], str]) -> None:
    """The plugin may have taken an address already, so the undo runs its DEL."""
    cni.fail("ADD", "no address is free")
    _, text = await failure(client.RunPodSandbox(config=pod_config()))
    assert "no address is free" in text
    assert cni.commands == ["ADD", "DEL"]
    assert not left()


async def test_an_undo_that_fails(client: Client, cni: FakeCni, left: Callable[[], str]) -> None:
    """What cannot be undone stays listed as not ready, so that a kubelet removes it."""
    cni.fail("ADD")
    cni.fail("DEL", "the address stays mine")
    config = pod_config()
    await failure(client.RunPodSandbox(config=config))
    (pod,) = (await client.ListPodSandbox()).items
    assert pod.state == cri.SANDBOX_NOTREADY
    code, text = await failure(client.RunPodSandbox(config=config))
    assert code == grpc.StatusCode.ALREADY_EXISTS
    assert pod.id in text
    cni.mend()
    await client.RemovePodSandbox(pod_sandbox_id=pod.id)
    assert not left()


@pytest.mark.parametrize("kind", [FaultKind.UNKNOWN, FaultKind.ANSWER_LOST])
@pytest.mark.parametrize("method", STEPS)
async def test_retry_after_a_step_that_fails(
    method: str, kind: FaultKind, service: Service, fake: FakeContainerd, client: Client
) -> None:
    """The same request makes the pod, and there is one."""
    fake.faults.add(method, kind)
    config = pod_config()
    if kind is FaultKind.UNKNOWN:
        await failure(client.RunPodSandbox(config=config))
    pod_id = (await client.RunPodSandbox(config=config)).pod_sandbox_id
    assert [pod.id for pod in (await client.ListPodSandbox()).items] == [pod_id]
    await until_idle(service)
    assert list(fake.state["k8s.io"].containers) == [pod_id]


@pytest.mark.parametrize("method", [*STEPS, "Tasks/Start", "Containers/Update"])
async def test_hang_up_at_a_step(method: str, service: Service, fake: FakeContainerd, client: Client) -> None:
    """The pod is made all the same, and whoever asks again gets it."""
    fake.faults.add(method, FaultKind.HANG)
    config = pod_config()
    running = asyncio.create_task(client.RunPodSandbox(config=config))
    await until(lambda: fake.faults.hanging)
    running.cancel()
    await asyncio.wait([running])
    again = asyncio.create_task(client.RunPodSandbox(config=config))
    fake.faults.clear()
    pod_id = (await again).pod_sandbox_id
    await until_idle(service)
    assert [pod.id for pod in (await client.ListPodSandbox()).items] == [pod_id]
    assert hops(fake, "Tasks/Create") == ["Tasks/Create"]


async def test_the_same_request_gets_the_same_pod(client: Client) -> None:
    """Also when the pod runs already; with another configuration the name is taken."""
    config = pod_config()
    pod_id = (await client.RunPodSandbox(config=config)).pod_sandbox_id
    assert (await client.RunPodSandbox(config=config)).pod_sandbox_id == pod_id
    config.labels["a"] = "b"
    code, _ = await failure(client.RunPodSandbox(config=config))
    assert code == grpc.StatusCode.ALREADY_EXISTS


async def test_a_start_that_fails_after_the_answer(service: Service, fake: FakeContainerd, client: Client) -> None:
    """The pod is not ready, and a container that is asked for in it fails with the runtime's words."""
    fake.faults.add("Tasks/Start", FaultKind.HANG)
    pod_id = (await client.RunPodSandbox(config=pod_config())).pod_sandbox_id
    await until(lambda: fake.faults.hanging)
    fake.faults.planned.clear()
    fake.exit_task(pod_id, 1)
    fake.faults.clear()
    await until_idle(service)
    (pod,) = (await client.ListPodSandbox()).items
    assert pod.state == cri.SANDBOX_NOTREADY


async def test_a_pod_on_the_nodes_network(service: Service, client: Client, cni: FakeCni) -> None:
    """No plugin runs for it, and it has no address of its own."""
    pod_id = (await client.RunPodSandbox(config=pod_config(network=NODE))).pod_sandbox_id
    await until_idle(service)
    assert not cni.calls
    assert not (await client.PodSandboxStatus(pod_sandbox_id=pod_id)).status.network.ip


@pytest.mark.parametrize("missing", ["name", "namespace", "uid"])
async def test_metadata_that_is_missing(
    missing: Literal["name", "namespace", "uid"], fake: FakeContainerd, client: Client
) -> None:
    """Nothing is begun, and the client is told what a pod needs."""
    config = pod_config()
    config.metadata.ClearField(missing)
    before = len(fake.calls)
    code, text = await failure(client.RunPodSandbox(config=config))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "name, namespace and uid" in text
    assert len(fake.calls) == before


async def test_containerd_that_is_gone(fake: FakeContainerd, client: Client) -> None:
    """The client is told to ask again later."""
    fake.faults.add("*", FaultKind.GONE)
    code, text = await failure(client.RunPodSandbox(config=pod_config()))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert text


def hanging(fake: FakeContainerd) -> bool:
    """Whether a call is under way that has one answer."""
    return any(not call.code for call in fake.calls if call.method != "Events/Subscribe")
