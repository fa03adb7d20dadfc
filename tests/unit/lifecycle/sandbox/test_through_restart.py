"""A containerd that is restarted in the moments after RunPodSandbox's answer: the pod stays ready."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
from structlog.testing import capture_logs

from containerd_client import retry
from cri_shim.lifecycle.sandbox import background_start, through_restart
from lab.cri_client import failure
from lab.pod_configs import container_config, pod_config
from tests.fakes.containerd import FaultKind
from tests.fakes.service import until_idle, until_ready
from tests.unit.waiting import until

if TYPE_CHECKING:
    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "BUDGET", 0.01)
    monkeypatch.setattr(retry, "BUDGET_AWAY", 0.01)
    monkeypatch.setattr(through_restart, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(through_restart, "LONGEST_PAUSE", 0.02)


async def restarted(fake: FakeContainerd, service: Service, client: Client, method: str, noticed: str) -> str:
    """Run a pod whose call of ``method`` is cut off by a restart of containerd, as the log says; the pod's id."""
    fake.faults.add(method, FaultKind.HANG)
    with capture_logs() as logs:
        running = await client.RunPodSandbox(config=pod_config())
        await until(lambda: fake.faults.hanging)
        await fake.go_away()
        await until(lambda: noticed in [entry["event"] for entry in logs])
    await fake.come_back()
    await until_ready(service)
    await until_idle(service)
    pod_id: str = running.pod_sandbox_id
    return pod_id


async def test_addresses_are_recorded_when_it_is_back(service: Service, fake: FakeContainerd, client: Client) -> None:
    """They are in the record, so that the next daemon knows them."""
    pod_id = await restarted(fake, service, client, "Containers/Update", "sandbox.network_unrecorded")
    sandbox = service.sandboxes.get(pod_id)
    assert (sandbox.ready, sandbox.unknown_reason) == (True, "")
    await until(lambda: fake.called("Containers/Update")[-1].code == "OK")
    record = fake.state["k8s.io"].containers[pod_id]
    assert sandbox.ips[0].encode() in record.extensions["io.cri-containerd.sandbox.metadata"].value


async def test_a_start_that_was_cut_off(service: Service, fake: FakeContainerd, client: Client) -> None:
    """A process that does not run yet is started when containerd is back."""
    pod_id = await restarted(fake, service, client, "Tasks/Start", "sandbox.start_unanswered")
    await until(lambda: not service.sandboxes.get(pod_id).starting)
    sandbox = service.sandboxes.get(pod_id)
    assert (sandbox.ready, sandbox.start_error, sandbox.unknown_reason) == (True, "", "")
    assert [call.code for call in fake.called("Tasks/Start")][-1] == "OK"


async def test_a_start_whose_answer_was_lost(service: Service, fake: FakeContainerd, client: Client) -> None:
    """A process that runs is not started twice."""
    answered = asyncio.Event()
    fake.faults.add("Tasks/Start", FaultKind.ANSWER_LOST, moment=answered)
    fake.faults.add("Tasks/Get", FaultKind.UNAVAILABLE, times=3)
    with capture_logs() as logs:
        pod_id = (await client.RunPodSandbox(config=pod_config())).pod_sandbox_id
        answered.set()
        await until_idle(service)
    assert "sandbox.start_unanswered" in [entry["event"] for entry in logs]
    sandbox = service.sandboxes.get(pod_id)
    assert (sandbox.ready, sandbox.start_error, sandbox.starting) == (True, "", False)
    assert len(fake.called("Tasks/Start")) == 1


async def test_a_containerd_that_stays_away(
    service: Service, fake: FakeContainerd, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while the start counts as failed."""
    monkeypatch.setattr(through_restart, "AWAY_SECONDS", 0.05)
    answered = asyncio.Event()
    fake.faults.add("Tasks/Start", FaultKind.UNAVAILABLE, moment=answered)
    fake.faults.add("Tasks/Get", FaultKind.UNAVAILABLE, times=None)
    pod_id = (await client.RunPodSandbox(config=pod_config())).pod_sandbox_id
    answered.set()
    await until(lambda: service.sandboxes.get(pod_id).start_error)
    assert not service.sandboxes.get(pod_id).ready


async def test_addresses_that_are_refused_later(service: Service, fake: FakeContainerd, client: Client) -> None:
    """The pod is not ready, as with a refusal at once."""
    fake.faults.add("Containers/Update", FaultKind.UNAVAILABLE, times=None)
    pod_id = (await client.RunPodSandbox(config=pod_config())).pod_sandbox_id
    await until(lambda: f"record-network-again/{pod_id}" in [task.get_name() for task in asyncio.all_tasks()])
    assert service.sandboxes.get(pod_id).ready
    fake.faults.planned[:] = []
    fake.faults.add("Containers/Update", FaultKind.UNKNOWN, text="disk full")
    await until(lambda: service.sandboxes.get(pod_id).unknown_reason)
    assert service.sandboxes.get(pod_id).unknown_reason.endswith("disk full")


@pytest.mark.parametrize("method", ["Tasks/Start", "Containers/Update"])
async def test_requests_that_wait_for_it(
    service: Service, fake: FakeContainerd, client: Client, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """They are refused while containerd is away, and served when it is back: the pod is carried through meanwhile."""
    monkeypatch.setattr(background_start, "AWAY_PATIENCE", 0.05)
    fake.faults.add(method, FaultKind.HANG)
    pod_id = (await client.RunPodSandbox(config=pod_config())).pod_sandbox_id
    container = await client.CreateContainer(
        pod_sandbox_id=pod_id, config=container_config(service.config.image.sandbox_image), sandbox_config=pod_config()
    )
    await until(lambda: fake.faults.hanging)
    await fake.go_away()
    await until(lambda: service.readiness.reason)
    for waiting in (
        client.StartContainer(container_id=container.container_id),
        client.UpdatePodSandboxResources(pod_sandbox_id=pod_id),
        client.StopPodSandbox(pod_sandbox_id=pod_id),
        client.RemovePodSandbox(pod_sandbox_id=pod_id),
    ):
        async with asyncio.timeout(5):
            assert (await failure(waiting))[0] == grpc.StatusCode.UNAVAILABLE
    assert service.sandboxes.get(pod_id).ready
    await fake.come_back()
    await until_ready(service)
    await client.StartContainer(container_id=container.container_id)
    assert service.containers.get(container.container_id).running
