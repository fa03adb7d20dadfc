"""ExecSync: output and exit code, the time limit, output that is held open, and what is left of a command."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc import container_execsync
from lab.cri_client import failure
from tests.fakes.containerd import FaultKind, Program
from tests.unit.waiting import until

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

STEPS = ("Tasks/Exec", "Tasks/Start")
RUNS_ON = ("sleep", "3600")


async def test_output_and_exit_code(node: Node) -> None:
    """Both outputs and the code come back, and nothing of the command is left."""
    id_ = await node.running()
    before = node.there()
    node.fake.processes.program = lambda *_: Program(exits=3, output=b"out", error_output=b"err")
    done = await node.client.ExecSync(container_id=id_, cmd=["true"])
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out", b"err")
    await node.until_idle()
    assert not node.changed(before)


async def test_a_command_that_takes_too_long(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """It is killed, and the answer is the one that a kubelet reads as a probe that timed out."""
    id_ = await node.running()
    before = node.there()
    monkeypatch.setattr(container_execsync, "LONGEST_WAIT", 0.05)
    code, text = await failure(node.client.ExecSync(container_id=id_, cmd=RUNS_ON, timeout=1))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert text == f"command 'sleep 3600' in container {id_} timed out: timeout 1s exceeded"
    await node.until_idle()
    assert node.service.containers.get(id_).running
    assert not node.changed(before)


async def test_a_command_that_survives_the_kill(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """The answer does not wait for it."""
    id_ = await node.running()
    for name in ("LONGEST_WAIT", "AFTER_KILL", "_DRAIN_AFTER_KILL"):
        monkeypatch.setattr(container_execsync, name, 0.02)
    with monkeypatch.context() as patched:
        patched.setattr(Program, "end_by", lambda *_: None)
        code, _ = await failure(node.client.ExecSync(container_id=id_, cmd=RUNS_ON, timeout=1))
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    (process,) = node.fake.task(id_).execs.values()
    assert signal.SIGKILL in process.signals
    node.fake.exit_task(id_, 0, process.exec_id)
    await node.until_idle()


@pytest.mark.parametrize("service", [{"runtime": {"drain_exec_sync_io_timeout": "50ms"}}], indirect=True)
async def test_output_that_is_held_open(node: Node) -> None:
    """A child in the background may have more to say, so the output is not given out as if it were all."""
    id_ = await node.running()
    held: list[int] = []

    def hold(process: Any, _arguments: list[str]) -> Program:
        held.append(os.open(process.stdout, os.O_RDWR | os.O_NONBLOCK))
        return Program(exits=0, output=b"a part")

    node.fake.processes.program = hold
    code, text = await failure(node.client.ExecSync(container_id=id_, cmd=["daemon"]))
    os.close(held.pop())
    assert code == grpc.StatusCode.UNKNOWN
    assert text.startswith(f"command 'daemon' in container {id_} ended with exit code 0, but its output could not be")
    await node.until_idle()


async def test_output_that_is_too_long(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """Its beginning comes back, and the exit code all the same."""
    monkeypatch.setattr(container_execsync, "OUTPUT_LIMIT", 8)
    monkeypatch.setattr(container_execsync.cut_to_fit, "__defaults__", (8,))
    id_ = await node.running()
    node.fake.processes.program = lambda *_: Program(exits=1, output=b"0123456789", error_output=b"abcdefghij")
    done = await node.client.ExecSync(container_id=id_, cmd=["true"])
    assert (done.exit_code, done.stdout, done.stderr) == (1, b"0123", b"abcd")


@pytest.mark.parametrize("method", STEPS)
async def test_a_step_that_fails(method: str, node: Node) -> None:
    """The client gets the runtime's words, and nothing of the command is left."""
    id_ = await node.running()
    before = node.there()
    node.fake.faults.add(method, FaultKind.UNKNOWN, text="no such program")
    code, text = await failure(node.client.ExecSync(container_id=id_, cmd=["nothing"]))
    assert code == grpc.StatusCode.UNKNOWN
    assert "no such program" in text
    await node.until_idle()
    assert not node.changed(before)
    assert (await node.client.ExecSync(container_id=id_, cmd=["echo", "fine"])).stdout == b"fine\n"


async def test_hang_up(node: Node) -> None:
    """A client that hangs up ends its command, and the container runs on."""
    id_ = await node.running()
    before = node.there()
    running_command = asyncio.create_task(node.client.ExecSync(container_id=id_, cmd=RUNS_ON))
    await until(lambda: any(process.pid for process in node.fake.task(id_).execs.values()))
    (process,) = node.fake.task(id_).execs.values()
    running_command.cancel()
    await asyncio.wait([running_command])
    await until(lambda: signal.SIGKILL in process.signals)
    await node.until_idle()
    assert node.service.containers.get(id_).running
    assert not node.changed(before)


async def test_what_is_refused(node: Node) -> None:
    """A request without a command, a negative time limit, and a container that does not run."""
    created = await node.kubelet.create(*await node.kubelet.run_pod())
    for fields, expected, words in (
        ({"container_id": created}, "INVALID_ARGUMENT", f"exec in container '{created}' names no command"),
        ({"container_id": created, "cmd": ["x"], "timeout": -1}, "INVALID_ARGUMENT", "-1 is negative; 0 means no"),
        ({"container_id": created, "cmd": ["x"]}, "FAILED_PRECONDITION", "a command needs a running container"),
        ({"container_id": "nothing", "cmd": ["x"]}, "NOT_FOUND", "nothing"),
    ):
        status, text = await failure(node.client.ExecSync(**fields))
        assert (status.name, words in text) == (expected, True), text
    assert not node.fake.called("Tasks/Exec")


async def test_a_record_that_another_client_has_rewritten(node: Node) -> None:
    """The error names the container and what is wrong with its record, and everything else goes on."""
    pod_id, _, id_ = await node.kubelet.running_container()
    node.fake.state["k8s.io"].containers[id_].spec.value = b'{"process": []}'
    for call in (
        node.client.ExecSync(container_id=id_, cmd=["true"]),
        node.client.UpdateContainerResources(container_id=id_, linux=cri.LinuxContainerResources(cpu_shares=5)),
    ):
        code, text = await failure(call)
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert f"runtime spec of container {id_} is not readable: process is a list, not an object" in text
        assert "unexpectedly" not in text
    assert (await node.client.ContainerStatus(container_id=id_, verbose=True)).status.state == cri.CONTAINER_RUNNING
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    await node.client.RemovePodSandbox(pod_sandbox_id=pod_id)
