"""A command whose start or end containerd does not report: the client gets an error within bounds, and no made-up end.

A kubelet reads DEADLINE_EXCEEDED as a probe that failed, and restarts the container after some of these. So that code
is for commands that took too long, and UNAVAILABLE for those of which nothing is known.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from containerd_client import DeadlineExceeded
from cri_shim.rpc import container_execsync
from cri_shim.streaming import exec_exit, exec_process
from lab.cri_client import failure
from tests.fakes.containerd import FaultKind, Program
from tests.unit.waiting import until

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

RUNS_ON = ("sleep", "3600")


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("LONG", 0.02), ("POLL_EVERY", 0.05), ("POLL_SECONDS", 0.1), ("LAST_WORDS", 0.05)):
        monkeypatch.setattr(exec_exit, name, seconds)


async def refused(node: Node, id_: str, **fields: Any) -> tuple[str, str]:
    """Return code and text of an ExecSync that fails."""
    code, text = await failure(node.client.ExecSync(**{"container_id": id_, "cmd": RUNS_ON, **fields}))
    return code.name, text


@pytest.mark.parametrize("method", ["Tasks/Exec", "Tasks/Start"])
@pytest.mark.parametrize("timeout", [0, 1])
async def test_a_start_that_is_not_answered(
    monkeypatch: pytest.MonkeyPatch, node: Node, method: str, timeout: int
) -> None:
    """It ends after a time of its own, the runtime that hangs is ended, and the next command has its place."""
    id_ = await node.running()
    ended: list[str] = []

    async def end(_config: Any, _sandboxes: Any, _containers: Any, sandbox_id: str) -> None:
        ended.append(sandbox_id)

    monkeypatch.setattr("cri_shim.lifecycle.container.new_exec.end_hanging_runtimes", end)
    monkeypatch.setattr(exec_process, "START_SECONDS", 0.3)
    node.fake.faults.add(method, FaultKind.HANG)
    code, text = await refused(node, id_, timeout=timeout)
    assert code == "UNAVAILABLE"
    assert "the command was not started" in text
    assert "did not answer within 0.3 s" in text
    assert ended == [node.service.containers.get(id_).sandbox_id]
    node.fake.faults.clear()
    done = await node.client.ExecSync(container_id=id_, cmd=["echo", "fine"])
    assert done.stdout == b"fine\n"
    await node.until_idle()


async def test_a_place_that_never_becomes_free(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """Commands behind others that hang are refused too, and a place that is free later is not lost."""
    id_ = await node.running()
    gate = node.service.exec_starts.of(node.service.containers.get(id_).sandbox_id)
    monkeypatch.setattr(exec_process, "START_SECONDS", 0.2)
    for _ in range(exec_process.STARTS_AT_ONCE):
        await gate.acquire()
    code, text = await refused(node, id_)
    assert (code, "others in its pod are being started" in text) == ("UNAVAILABLE", True)
    for _ in range(exec_process.STARTS_AT_ONCE):
        gate.release()
    assert (await node.client.ExecSync(container_id=id_, cmd=["echo", "fine"])).stdout == b"fine\n"


@pytest.mark.usefixtures("_quick")
async def test_an_end_that_is_not_reported(node: Node) -> None:
    """A poll finds it, with the exit code."""
    id_ = await node.running()
    node.fake.faults.add("Tasks/Wait", FaultKind.HANG)
    node.fake.processes.program = lambda *_: Program(exits=7, output=b"out")
    done = await node.client.ExecSync(container_id=id_, cmd=["true"])
    assert (done.exit_code, done.stdout) == (7, b"out")


@pytest.mark.usefixtures("_quick")
async def test_the_end_of_the_container(node: Node) -> None:
    """It is that of the command as well, although no answer about the command comes."""
    id_ = await node.running()
    node.fake.faults.add("Tasks/Wait", FaultKind.HANG)
    waiting = asyncio.create_task(refused(node, id_))
    await until(lambda: any(process.pid for process in node.fake.task(id_).execs.values()))
    node.fake.exit_task(id_, 1)
    code, text = await waiting
    assert (code, text) == ("FAILED_PRECONDITION", "the container has ended while the command was running")


@pytest.mark.usefixtures("_quick")
async def test_a_shim_that_hangs_while_a_command_runs(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """Nothing is known of the command then, which is said; a shim that answers in between is waited for."""
    id_ = await node.running()
    monkeypatch.setattr(exec_exit, "SILENT_SECONDS", 0.5)
    node.fake.faults.add("Tasks/Wait", FaultKind.HANG, times=None)
    node.fake.faults.add("Tasks/Get", FaultKind.HANG, nth=2, times=2)
    waiting = asyncio.create_task(refused(node, id_))
    await until(lambda: len(node.fake.called("Tasks/Get")) > 5)
    assert not waiting.done()
    node.fake.faults.add("Tasks/Get", FaultKind.HANG, times=None)
    code, text = await waiting
    assert code == "UNAVAILABLE"
    assert "the shim has not answered for 0.5 s" in text
    node.fake.faults.clear()
    node.fake.faults.release()


async def test_a_hop_that_times_out(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """A time limit of the daemon's own is not one of the command's."""
    id_ = await node.running()

    async def silent(_id: str) -> dict[str, Any]:
        raise DeadlineExceeded("x.Containers/Get", "containerd did not answer within 30 s")

    monkeypatch.setattr(node.service.process_specs, "of", silent)
    code, text = await refused(node, id_, timeout=1)
    assert code == "UNAVAILABLE"
    assert text.startswith(f"command 'sleep 3600' in container {id_}: its outcome is unknown")


async def test_a_kill_that_is_refused(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """The command took too long all the same."""
    id_ = await node.running()
    for name in ("LONGEST_WAIT", "AFTER_KILL", "_DRAIN_AFTER_KILL"):
        monkeypatch.setattr(container_execsync, name, 0.05)
    node.fake.faults.add("Tasks/Kill", FaultKind.UNKNOWN, text="the runtime refuses")
    code, _ = await refused(node, id_, timeout=1)
    assert code == "DEADLINE_EXCEEDED"
    await node.until_idle()
