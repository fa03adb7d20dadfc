"""StopContainer: the signal, the grace period, the kill, and clients that do not wait."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle import termination
from cri_shim.lifecycle.container import hanging_start
from lab.cri_client import failure
from lab.pod_configs import container_config
from tests.fakes.containerd import FaultKind, Program
from tests.unit.waiting import until

if TYPE_CHECKING:
    from tests.fakes.cri import Client
    from tests.unit.fake_node import Node

DEAF = Program(ignores=frozenset({signal.SIGTERM, signal.SIGINT}))


async def status_of(client: Client, id_: str) -> cri.ContainerStatus:
    """Return the status of a container."""
    status: cri.ContainerStatus = (await client.ContainerStatus(container_id=id_)).status
    return status


async def test_a_container_that_ends_when_it_is_asked_to(node: Node) -> None:
    """It gets one signal, and its exit code is known when the answer comes."""
    node.fake.processes.program = lambda *_: Program(exit_codes={signal.SIGTERM: 3})
    _, _, id_ = await node.kubelet.running_container()
    process = node.fake.task(id_).init
    await node.client.StopContainer(container_id=id_, timeout=60)
    status = await status_of(node.client, id_)
    assert (status.state, status.exit_code, status.reason) == (cri.CONTAINER_EXITED, 3, "Error")
    assert process.signals == [signal.SIGTERM]


async def test_a_container_that_does_not(node: Node) -> None:
    """It is killed when its time is over."""
    node.fake.processes.program = lambda *_: DEAF
    _, _, id_ = await node.kubelet.running_container()
    process = node.fake.task(id_).init
    await node.client.StopContainer(container_id=id_, timeout=1)
    assert (await status_of(node.client, id_)).exit_code == 137
    assert process.signals == [signal.SIGTERM, signal.SIGKILL]


async def test_no_grace(node: Node) -> None:
    """Without a grace period it is killed at once."""
    node.fake.processes.program = lambda *_: DEAF
    _, _, id_ = await node.kubelet.running_container()
    process = node.fake.task(id_).init
    await node.client.StopContainer(container_id=id_)
    assert process.signals == [signal.SIGKILL]


async def test_the_signal_is_sent_once(node: Node) -> None:
    """A second client only waits, and one without patience kills for both."""
    node.fake.processes.program = lambda *_: DEAF
    _, _, id_ = await node.kubelet.running_container()
    process = node.fake.task(id_).init
    first = asyncio.create_task(node.client.StopContainer(container_id=id_, timeout=60))
    await until(lambda: process.signals)
    second = asyncio.create_task(node.client.StopContainer(container_id=id_, timeout=60))
    await asyncio.sleep(0.02)
    first.cancel()
    await asyncio.wait([first])
    assert node.service.containers.get(id_).running
    await node.client.StopContainer(container_id=id_, timeout=0)
    await second
    assert process.signals == [signal.SIGTERM, signal.SIGKILL]


@pytest.mark.parametrize(("recorded", "sent"), [("SIGUSR1", signal.SIGUSR1), ("SIGNONSENSE", signal.SIGTERM)])
async def test_the_signal_of_the_record(recorded: str, sent: int, node: Node) -> None:
    """A record with a signal that does not exist means SIGTERM."""
    _, _, id_ = await node.kubelet.running_container()
    process = node.fake.task(id_).init
    node.service.containers.update(id_, lambda container: container.replace(stop_signal=recorded))
    await node.client.StopContainer(container_id=id_, timeout=60)
    assert process.signals == [sent]


@pytest.mark.parametrize(
    ("asked", "recorded", "sent"),
    [
        (cri.SIGUSR1, "SIGUSR1", signal.SIGUSR1),
        (cri.SIGRTMINPLUS3, "SIGRTMIN+3", signal.SIGRTMIN + 3),
        (cri.SIGRTMAXMINUS2, "SIGRTMAX-2", signal.SIGRTMAX - 2),
    ],
)
async def test_the_signal_of_the_request(asked: Any, recorded: str, sent: int, node: Node) -> None:
    """It is recorded in the form that images have, which containerd's plugin reads too."""
    pod_id, config = await node.kubelet.run_pod()
    wanted = container_config(node.kubelet.image, command=("sleep", "3600"), stop_signal=asked)
    request = {"pod_sandbox_id": pod_id, "config": wanted, "sandbox_config": config}
    id_ = (await node.client.CreateContainer(**request)).container_id
    await node.client.StartContainer(container_id=id_)
    process = node.fake.task(id_).init
    await node.client.StopContainer(container_id=id_, timeout=60)
    assert node.service.containers.get(id_).stop_signal == recorded
    assert process.signals == [sent]


async def test_what_does_not_run_is_stopped(node: Node) -> None:
    """An unknown container, one that was never started and one that has ended: no signal is sent."""
    pod_id, config, ended = await node.kubelet.running_container()
    never = container_config(node.kubelet.image, "never")
    request = {"pod_sandbox_id": pod_id, "config": never, "sandbox_config": config}
    created = (await node.client.CreateContainer(**request)).container_id
    node.fake.exit_task(ended, 0)
    await until(lambda: not node.service.containers.get(ended).running)
    for id_ in ("nothing", created, ended):
        await node.client.StopContainer(container_id=id_, timeout=60)
    assert not node.fake.called("Tasks/Kill")
    assert (await node.kubelet.states())[created] == cri.CONTAINER_CREATED


@pytest.mark.parametrize("runs", [True, False])
async def test_a_container_of_which_nothing_is_known(runs: bool, node: Node) -> None:
    """containerd is asked first, so that a task that is gone is not waited for."""
    _, _, id_ = await node.kubelet.running_container()
    node.service.containers.update(id_, lambda container: container.replace(unknown_reason="its shim is silent"))
    if not runs:
        del node.fake.state["k8s.io"].tasks[id_]
    await node.client.StopContainer(container_id=id_, timeout=60)
    status = await status_of(node.client, id_)
    assert (status.exit_code, status.reason) == ((137, "Error") if runs else (255, "Unknown"))


@pytest.mark.parametrize("kind", [FaultKind.UNKNOWN, FaultKind.ANSWER_LOST, FaultKind.UNAVAILABLE])
async def test_a_signal_that_fails(kind: FaultKind, node: Node) -> None:
    """The client is told unless the signal arrived, and the next request ends the container."""
    _, _, id_ = await node.kubelet.running_container()
    node.fake.faults.add("Tasks/Kill", kind, text="no shim")
    stopping = node.client.StopContainer(container_id=id_)
    if kind is FaultKind.UNKNOWN:
        code, text = await failure(stopping)
        assert (code, "no shim" in text) == (grpc.StatusCode.UNKNOWN, True)
        stopping = node.client.StopContainer(container_id=id_)
    await stopping
    assert (await status_of(node.client, id_)).exit_code == 137


async def test_a_process_that_cannot_be_killed(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """After a while the client is told to ask again."""
    monkeypatch.setattr(termination, "ENDED_SECONDS", 0.05)
    monkeypatch.setattr(Program, "end_by", lambda *_: None)
    _, _, id_ = await node.kubelet.running_container()
    code, text = await failure(node.client.StopContainer(container_id=id_))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert text.startswith(f"container {id_} has not ended within 0.05 s of SIGKILL")


async def test_a_container_that_is_being_started(node: Node) -> None:
    """The stop waits for the start and then ends the process."""
    id_ = await node.kubelet.create(*await node.kubelet.run_pod())
    node.fake.faults.add("Tasks/Create", FaultKind.HANG)
    starting = asyncio.create_task(node.client.StartContainer(container_id=id_))
    await until(lambda: node.fake.faults.hanging)
    stopping = asyncio.create_task(node.client.StopContainer(container_id=id_))
    await asyncio.sleep(0.02)
    assert not stopping.done()
    node.fake.faults.clear()
    await asyncio.gather(starting, stopping)
    assert await node.kubelet.states() == {id_: cri.CONTAINER_EXITED}


async def test_a_start_that_hangs(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """After a while the stop ends the runtime that hangs, and waits for what the start makes of that."""
    monkeypatch.setattr(hanging_start, "STOP_PATIENCE", 0.02)
    ended = asyncio.Event()

    async def end_hanging_runtimes(*_: object) -> None:
        ended.set()
        node.fake.faults.clear()

    monkeypatch.setattr(hanging_start, "end_hanging_runtimes", end_hanging_runtimes)
    id_ = await node.kubelet.create(*await node.kubelet.run_pod())
    node.fake.faults.add("Tasks/Create", FaultKind.HANG)
    starting = asyncio.create_task(node.client.StartContainer(container_id=id_))
    await until(lambda: node.fake.faults.hanging)
    await node.client.StopContainer(container_id=id_)
    await starting
    assert ended.is_set()
    assert await node.kubelet.states() == {id_: cri.CONTAINER_EXITED}
