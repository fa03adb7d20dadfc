"""Signals that need no containerd, and every reason to ask it all the same."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import pytest

from containerd_client.api.containerd.runc.v1 import runc_pb2
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle import termination
from lab.pod_configs import container_config
from tests.fakes.containerd import Program
from tests.fakes.service import make_service, until_idle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.fake_node import Node

DEAF = Program(ignores=frozenset({signal.SIGTERM}))
OFF = {"containerd": {"direct_signals": False}}
WRAPPED = {"containerd": {"runtimes": {"runc": {"options": {"BinaryName": "/opt/bin/wrapper"}}}}}
PINNED = {"sandbox": {"infra": "pinned"}}


@pytest.fixture(autouse=True)
def _processes_are_here(node: Node) -> None:
    """The kernel has the processes that containerd knows."""
    node.kernel.processes = node.fake.signal_init


def sent(node: Node) -> list[tuple[object, ...]]:
    """Return the arguments of all signals that the daemon tried to send by itself."""
    return [call.args for call in node.kernel.calls if call.name == "signal_namespace_init"]


async def test_a_container_is_asked_and_then_killed(node: Node) -> None:
    """It gets both signals, and containerd sends neither."""
    node.fake.processes.program = lambda *_: DEAF
    id_ = await node.running()
    process = node.fake.task(id_).init
    await node.client.StopContainer(container_id=id_, timeout=1)
    assert process.signals == [signal.SIGTERM, signal.SIGKILL]
    assert sent(node) == [(process.pid, signal.SIGTERM, id_), (process.pid, signal.SIGKILL, id_)]
    assert not node.fake.called("Tasks/Kill")
    status = (await node.client.ContainerStatus(container_id=id_)).status
    assert (status.state, status.exit_code) == (cri.CONTAINER_EXITED, 137)


@pytest.mark.parametrize("service", [{}, PINNED], ids=["pause", "pinned"], indirect=True)
async def test_a_pod_is_ended(node: Node) -> None:
    """Its processes are killed without containerd, the pause process like the container."""
    pod_id, _, id_ = await node.kubelet.running_container()
    await node.until_idle()
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    assert await node.kubelet.pods() == {pod_id: cri.SANDBOX_NOTREADY}
    assert await node.kubelet.states() == {id_: cri.CONTAINER_EXITED}
    assert not node.fake.called("Tasks/Kill")
    with_pause = [] if node.service.config.sandbox.infra == "pinned" else [pod_id]
    assert {args[2] for args in sent(node)} == {id_, *with_pause}


@pytest.mark.parametrize("service", [OFF, WRAPPED], ids=["switched off", "not plain runc"], indirect=True)
async def test_settings_under_which_containerd_is_asked(node: Node) -> None:
    """Nothing is sent by the daemon: it is not to, or does not know what a signal means to that runtime."""
    id_ = await node.running()
    await node.client.StopContainer(container_id=id_)
    await node.kubelet.clear_pods()
    assert not sent(node)
    assert len(node.fake.called("Tasks/Kill")) == 2


def not_there(node: Node, _id: str) -> None:
    """Have the pids of containerd mean nothing here."""
    node.kernel.processes = None


def another_pid(node: Node, id_: str) -> None:
    """Have another process at that pid."""
    node.fake.task(id_).init.pid += 1


@pytest.mark.parametrize("change", [not_there, another_pid])
async def test_a_process_that_is_not_found(node: Node, change: Callable[[Node, str], None]) -> None:
    """The daemon tried, and containerd did it."""
    id_ = await node.running()
    change(node, id_)
    await node.client.StopContainer(container_id=id_)
    assert len(sent(node)) == len(node.fake.called("Tasks/Kill")) == 1
    assert await node.kubelet.states() == {id_: cri.CONTAINER_EXITED}


async def test_a_paused_container(node: Node) -> None:
    """containerd is asked, because its runtime thaws it for SIGKILL."""
    id_ = await node.running()
    await node.service.containerd.tasks.pause(id_)
    await node.client.StopContainer(container_id=id_)
    assert len(node.fake.called("Tasks/Kill")) == 1


@pytest.mark.parametrize("mode", [cri.POD, cri.NODE], ids=["the pod's", "the node's"])
async def test_a_shared_pid_namespace(node: Node, mode: Any) -> None:
    """containerd is asked: the runtime kills all processes of such a container, not only the first."""
    config = node.kubelet.pod_config()
    config.linux.security_context.namespace_options.pid = mode
    pod_id = (await node.client.RunPodSandbox(config=config)).pod_sandbox_id
    wanted = container_config(node.kubelet.image, command=("sleep", "3600"))
    wanted.linux.security_context.namespace_options.pid = mode
    request = {"pod_sandbox_id": pod_id, "config": wanted, "sandbox_config": config}
    id_ = (await node.client.CreateContainer(**request)).container_id
    await node.client.StartContainer(container_id=id_)
    await node.client.StopContainer(container_id=id_)
    assert len(node.fake.called("Tasks/Kill")) == 1


async def test_a_container_that_is_being_changed(node: Node) -> None:
    """While a checkpoint or an update holds its lock, containerd is asked, whose shim does one after the other."""
    id_ = await node.running()
    async with node.service.locks.of(id_):
        stopping = asyncio.create_task(node.client.StopContainer(container_id=id_))
        async with asyncio.timeout(10):
            while not node.fake.called("Tasks/Kill"):
                await asyncio.sleep(0.01)
    await stopping
    assert not sent(node)


async def test_a_process_that_lives_on(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was frozen just before the signal, say: after a while containerd is asked as well."""
    monkeypatch.setattr(termination, "DIRECT_SECONDS", 0.05)
    node.kernel.processes = lambda *_: True
    id_ = await node.running()
    await node.client.StopContainer(container_id=id_)
    assert len(sent(node)) == len(node.fake.called("Tasks/Kill")) == 1
    assert await node.kubelet.states() == {id_: cri.CONTAINER_EXITED}


@pytest.mark.parametrize("program", ["", "/opt/bin/wrapper"])
async def test_another_daemon_knows_the_runtime_from_the_record(node: Node, tmp_path: Path, program: str) -> None:
    """What is configured by then does not count."""
    id_ = await node.running()
    record = node.fake.state["k8s.io"].containers[id_]
    record.runtime.options.value = runc_pb2.Options(binary_name=program).SerializeToString()
    async with make_service(node.fake, node.kernel, tmp_path) as later:
        assert later.containers.get(id_).plain_runc is not bool(program)
        await until_idle(later)
