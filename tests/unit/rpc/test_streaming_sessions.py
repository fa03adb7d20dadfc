"""What runs behind the URLs of Exec and Attach, with a client that is a value of the test."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.streaming.remote import ClientGoneError, Outcome, Output
from cri_shim.streaming.server import StreamingServer
from tests.fakes.containerd import FaultKind, Program
from tests.unit.waiting import until

if TYPE_CHECKING:
    from cri_shim.streaming.remote import RemoteRequest, Size
    from tests.unit.fake_node import Node


class Remote:
    """A client without stdin and terminal, which remembers its output and hangs up when the test says so."""

    def __init__(self) -> None:
        self.output: dict[Output, bytes] = {Output.STDOUT: b"", Output.STDERR: b""}
        self.hung_up = asyncio.Event()

    async def read_stdin(self) -> bytes:
        """Nothing comes."""
        return b""

    async def read_size(self) -> Size:
        """There is no terminal."""
        await self.hung_up.wait()
        raise ClientGoneError

    async def write(self, output: Output, data: bytes) -> None:
        """Remember it."""
        self.output[output] += data

    async def gone(self) -> None:
        """Return when the test has it hang up."""
        await self.hung_up.wait()

    async def finish(self, outcome: Outcome) -> None:
        """Do nothing: the outcome is what the session returns."""


@pytest.fixture
def remote() -> Remote:
    """The client."""
    return Remote()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[RemoteRequest]:
    """The requests that wait for their clients."""
    waiting: list[RemoteRequest] = []

    async def url(_self: StreamingServer, _kind: str, request: Any) -> str:
        waiting.append(request)
        return "http://there"

    monkeypatch.setattr(StreamingServer, "url", url)
    return waiting


async def test_a_command(node: Node, asked: list[RemoteRequest], remote: Remote) -> None:
    """Its output and exit code reach the client, and nothing of it is left."""
    id_ = await node.running()
    before = node.there()
    node.fake.processes.program = lambda *_: Program(exits=3, output=b"out", error_output=b"err")
    await node.client.Exec(container_id=id_, cmd=["sh"], stdout=True, stderr=True)
    assert await asked[0].run(remote) == Outcome(exit_code=3)
    assert remote.output == {Output.STDOUT: b"out", Output.STDERR: b"err"}
    await node.until_idle()
    assert not node.changed(before)


async def test_a_command_that_cannot_be_started(node: Node, asked: list[RemoteRequest], remote: Remote) -> None:
    """The client gets the runtime's words, and nothing of it is left."""
    id_ = await node.running()
    before = node.there()
    node.fake.faults.add("Tasks/Start", FaultKind.UNKNOWN, text="no such program")
    await node.client.Exec(container_id=id_, cmd=["nothing"], stdout=True)
    assert "no such program" in (await asked[0].run(remote)).error
    await node.until_idle()
    assert not node.changed(before)


async def test_a_container_that_goes_before_the_client_comes(
    node: Node, asked: list[RemoteRequest], remote: Remote
) -> None:
    """The client gets an error that says so."""
    id_ = await node.running()
    await node.client.Exec(container_id=id_, cmd=["sh"], stdout=True)
    await node.client.RemoveContainer(container_id=id_)
    assert "not found" in (await asked[0].run(remote)).error


async def test_a_client_that_hangs_up_on_its_command(node: Node, asked: list[RemoteRequest], remote: Remote) -> None:
    """The command is killed, because there is no one to read its output."""
    id_ = await node.running()
    await node.client.Exec(container_id=id_, cmd=["sleep", "3600"], stdout=True)
    session = asyncio.ensure_future(asked[0].run(remote))
    await until(lambda: any(process.pid for process in node.fake.task(id_).execs.values()))
    (process,) = node.fake.task(id_).execs.values()
    remote.hung_up.set()
    with pytest.raises(ClientGoneError):
        await session
    await until(lambda: signal.SIGKILL in process.signals)
    await node.until_idle()
    assert node.service.containers.get(id_).running


@pytest.mark.parametrize("first", ["container", "client"])
async def test_an_attachment(first: str, node: Node, asked: list[RemoteRequest], remote: Remote) -> None:
    """It has what the container writes from then on, and ends with the container or with the client."""
    id_ = await node.running()
    await node.client.Attach(container_id=id_, stdout=True)
    session = asyncio.ensure_future(asked[0].run(remote))
    await asyncio.sleep(0.01)
    node.fake.task(id_).init.write(b"hello\n")
    await until(lambda: remote.output[Output.STDOUT] == b"hello\n")
    if first == "container":
        node.fake.exit_task(id_, 0)
        assert await session == Outcome()
    else:
        remote.hung_up.set()
        with pytest.raises(ClientGoneError):
            await session
        assert node.service.containers.get(id_).running
