"""What goes on in a pod after the answer: a start or a record that fails or hangs, and who waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from containerd_client import retry
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle import hanging_runtime
from cri_shim.lifecycle.sandbox import background_start
from lab.cri_client import failure
from lab.pod_configs import container_config, pod_config
from tests.fakes.containerd import FaultKind
from tests.fakes.containerd.refusals import unknown
from tests.fakes.service import PAUSE, until_idle
from tests.unit.waiting import until

if TYPE_CHECKING:
    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client

OTHER = pytest.mark.parametrize(
    "service", [{"containerd": {"runtimes": {"runc": {"runtime_path": "/opt/wrapper"}}}}], indirect=True
)
"""A handler whose starts are not sure."""


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pods whose hanging runtimes were ended."""
    pods: list[str] = []

    async def end(_config: object, _sandboxes: object, _containers: object, sandbox_id: str, *_handler: str) -> None:
        await asyncio.sleep(0)
        pods.append(sandbox_id)

    for module in (background_start, hanging_runtime):
        monkeypatch.setattr(module, "end_hanging_runtimes", end)
    return pods


async def run_and_fail(fake: FakeContainerd, client: Client, monkeypatch: pytest.MonkeyPatch, config: Any) -> str:
    """Run a pod whose start fails when the request has been answered."""

    def refuse(*_: object) -> None:
        raise unknown("runc says no")

    fake.faults.add("Tasks/Start", FaultKind.HANG)
    pod_id: str = (await client.RunPodSandbox(config=config)).pod_sandbox_id
    await until(lambda: fake.faults.hanging)
    monkeypatch.setattr(fake.processes, "start", refuse)
    fake.release()
    return pod_id


async def test_a_start_that_fails_after_the_answer(
    service: Service, fake: FakeContainerd, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pod is not ready, no task is left, and a container is refused with the runtime's words."""
    config = pod_config()
    pod_id = await run_and_fail(fake, client, monkeypatch, config)
    await until_idle(service)
    sandbox = service.sandboxes.get(pod_id)
    assert (sandbox.state, sandbox.starting) == (cri.SANDBOX_NOTREADY, False)
    assert sandbox.exited_at
    assert not fake.state["k8s.io"].tasks
    created = client.CreateContainer(pod_sandbox_id=pod_id, config=container_config(PAUSE), sandbox_config=config)
    code, text = await failure(created)
    assert (code, "runc says no" in text) == (grpc.StatusCode.FAILED_PRECONDITION, True)


async def test_a_start_that_fails_and_cannot_be_undone(
    service: Service, fake: FakeContainerd, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it runs is not known: it stays, not ready, until its removal has looked again."""
    fake.faults.add("Tasks/Delete", FaultKind.UNKNOWN, text="busy", times=2)
    pod_id = await run_and_fail(fake, client, monkeypatch, pod_config())
    await until_idle(service)
    reason = service.sandboxes.get(pod_id).unknown_reason
    assert reason.startswith("its start failed and could not be undone: ")
    assert "runc says no" in reason
    assert "busy" in reason
    fake.faults.clear()
    await client.StopPodSandbox(pod_sandbox_id=pod_id)
    await client.RemovePodSandbox(pod_sandbox_id=pod_id)
    assert not fake.state["k8s.io"].tasks


async def test_a_start_that_takes_too_long(
    service: Service, fake: FakeContainerd, client: Client, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hangs in it is ended, and the pod is not ready."""
    monkeypatch.setattr(background_start, "START_SECONDS", 0.3)
    monkeypatch.setattr(retry, "BUDGET", 0.01)
    fake.faults.add("Tasks/Start", FaultKind.HANG)
    running = await client.RunPodSandbox(config=pod_config())
    await until(lambda: ended)
    await until_idle(service)
    assert ended == [running.pod_sandbox_id]
    assert service.sandboxes.get(running.pod_sandbox_id).start_error


async def test_a_stop_while_a_start_hangs(
    service: Service, fake: FakeContainerd, client: Client, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a while, ends what hangs, and then stops the pod."""
    monkeypatch.setattr(background_start, "STOP_PATIENCE", 0.02)
    fake.faults.add("Tasks/Start", FaultKind.HANG)
    running = await client.RunPodSandbox(config=pod_config())
    await until(lambda: fake.faults.hanging)
    stopping = asyncio.create_task(client.StopPodSandbox(pod_sandbox_id=running.pod_sandbox_id))
    await until(lambda: ended)
    assert not stopping.done()
    fake.faults.clear()
    await stopping
    assert service.sandboxes.get(running.pod_sandbox_id).exited_at


@OTHER
async def test_a_runtime_that_may_refuse(service: Service, fake: FakeContainerd, client: Client) -> None:
    """It is waited for, what it says fails the request, and nothing is left."""
    fake.faults.add("Tasks/Start", FaultKind.UNKNOWN, text="no machine is free")
    code, text = await failure(client.RunPodSandbox(config=pod_config()))
    assert (code, "no machine is free" in text) == (grpc.StatusCode.UNKNOWN, True)
    assert not list(service.sandboxes)
    assert not fake.state["k8s.io"].containers
    await client.RunPodSandbox(config=pod_config())
    assert fake.called("Tasks/Start")[-1].code == "OK"


async def test_addresses_that_cannot_be_recorded(service: Service, fake: FakeContainerd, client: Client) -> None:
    """The pod is not ready: a later daemon would not know them."""
    fake.faults.add("Containers/Update", FaultKind.HANG)
    running = await client.RunPodSandbox(config=pod_config())
    await until(lambda: fake.faults.hanging)
    fake.faults.clear()
    del fake.state["k8s.io"].containers[running.pod_sandbox_id]
    await until_idle(service)
    sandbox = service.sandboxes.get(running.pod_sandbox_id)
    assert sandbox.unknown_reason.startswith("its addresses could not be recorded: ")
    assert not sandbox.ready


async def test_a_record_that_fails_before_the_answer(service: Service, fake: FakeContainerd, client: Client) -> None:
    """It fails the request, which undoes what it has made."""
    fake.faults.add("Tasks/Create", FaultKind.HANG)
    fault = fake.faults.add("Containers/Update", FaultKind.UNKNOWN, text="disk full")
    running = asyncio.create_task(client.RunPodSandbox(config=pod_config()))
    await until(lambda: fault.struck and fake.called("Containers/Update")[0].ended)
    fake.release()
    code, text = await failure(running)
    assert (code, "disk full" in text) == (grpc.StatusCode.UNKNOWN, True)
    assert not list(service.sandboxes)
    assert not fake.state["k8s.io"].containers
