"""The clients that speak the line protocol, each against a real gRPC server: all do the same."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from typing import TYPE_CHECKING

import grpc
import pytest

from cri_shim.bench.clients.line_caller import LineCaller
from tests.clients.build import MISSING, build
from tests.unit.bench.fake_endpoint import BILL, FAILURE, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.bench.fake_endpoint import FakeEndpoint

PYTHON = shlex.join([sys.executable, "-m", "cri_shim.bench.clients.line_client"])
MIB = 1 << 20


@pytest.fixture(scope="session")
def c_client(tmp_path_factory):
    """The compiled C client."""
    if MISSING:
        pytest.skip(MISSING)
    return str(build(tmp_path_factory.mktemp("client")))


@pytest.fixture(params=["c", "python"])
def command(request):
    """Each client in turn."""
    return PYTHON if request.param == "python" else request.getfixturevalue("c_client")


@pytest.fixture
async def endpoint(tmp_path) -> AsyncIterator[FakeEndpoint]:
    """A server."""
    async with serving(tmp_path) as served:
        yield served


@pytest.fixture
async def caller(command, endpoint) -> AsyncIterator[LineCaller]:
    """A client that has said hello."""
    started = await LineCaller.start(command, endpoint.address)
    yield started
    await started.close()


async def test_it_says_who_it_is(caller, command):
    """Name and version, for the report."""
    assert caller.about.name == ("python" if command == PYTHON else "cri_client.c")
    assert caller.about.version
    assert caller.about.command == command


async def test_a_call_and_its_answer(caller, endpoint):
    """Any bytes go there and back; the time is the client's; the bill comes along; the sending time is sent."""
    request = bytes(range(256)) * 3
    before = time.time_ns()
    answer = await caller.call("/test.Service/Echo", request, 10)
    after = time.time_ns()
    assert (answer.content, answer.bill) == (request, BILL)
    assert 0 < answer.ms < (after - before) / 1e6
    assert before < int(endpoint.metadata[-1]["cri-shim-sent"]) < after


async def test_nothing_is_a_request_too(caller):
    """The empty message, in both directions."""
    assert (await caller.call("/test.Service/Echo", b"", 10)).content == b""


@pytest.mark.parametrize("mebibytes", [1, 15])
async def test_large_messages(caller, mebibytes):
    """More than the windows of HTTP/2 hold, there and back."""
    request = b"x" * (mebibytes * MIB)
    assert (await caller.call("/test.Service/Echo", request, 30)).content == request
    assert len((await caller.call("/test.Service/Grow", str(mebibytes * MIB).encode(), 30)).content) == mebibytes * MIB


async def test_calls_overlap(caller):
    """Several are in flight at once, and each gets its own answer, the quick ones first."""
    order = []

    async def late(seconds):
        answer = await caller.call("/test.Service/Late", str(seconds).encode(), 10)
        order.append(seconds)
        assert float(answer.content) == seconds
        assert answer.ms >= seconds * 1000

    await asyncio.gather(*(late(seconds) for seconds in (0.9, 0.6, 0.3)))
    assert order == [0.3, 0.6, 0.9]


async def test_an_error_is_a_status(caller):
    """With its code and its text, whatever characters that has; the client goes on."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await caller.call("/test.Service/Fail", b"", 10)
    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.NOT_FOUND, FAILURE)
    assert dict(failed.value.trailing_metadata() or ())["cri-shim-bill"] == BILL
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await caller.call("/test.Service/Nothing", b"", 10)
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert (await caller.call("/test.Service/Echo", b"on", 10)).content == b"on"


async def test_a_deadline_ends_a_call(caller):
    """The status says so, in time, and the client goes on."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await caller.call("/test.Service/Late", b"30", 0.2)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await caller.call("/test.Service/Echo", b"on", 10)).content == b"on"


async def test_an_endpoint_that_is_not_there(command, tmp_path):
    """Is a status as well, not the end of the client."""
    caller = await LineCaller.start(command, f"unix://{tmp_path}/none.sock")
    for _ in range(2):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await caller.call("/test.Service/Echo", b"", 10)
        assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    await caller.close()


async def test_an_endpoint_that_ends_is_hung_up_on(caller, endpoint):
    """A server that is being stopped waits for its clients, as long as it is patient; calls after that fail."""
    await caller.call("/test.Service/Echo", b"", 10)
    began = time.monotonic()
    await endpoint.server.stop(120)
    assert time.monotonic() - began < 60
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await caller.call("/test.Service/Echo", b"", 10)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_metadata_of_a_line_is_sent(command, endpoint):
    """A line may carry more headers; the comparison has none to send yet, so this writes the line itself."""
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command), endpoint.address, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"hello 1 ")
    process.stdin.write(b"call 9 /test.Service/Echo 5000 x-one=MQ==,x-two=dHdv aGVsbG8=\n")
    fields = (await process.stdout.readline()).decode().split()
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert (fields[0], fields[1], fields[3], fields[4], fields[6]) == ("answer", "9", "0", "-", "aGVsbG8=")
    assert int(fields[2]) > 0
    assert fields[5].startswith("cri-shim-bill=")
    assert (endpoint.metadata[0]["x-one"], endpoint.metadata[0]["x-two"]) == ("1", "two")


async def test_the_end_of_its_input_ends_it_even_in_a_call(command, endpoint):
    """Nobody has to kill a client whose driver is gone."""
    caller = await LineCaller.start(command, endpoint.address)
    pending = asyncio.create_task(caller.call("/test.Service/Late", b"30", 60))
    await asyncio.sleep(0.2)
    await caller.close()
    with pytest.raises(Exception, match="has ended with exit code 0"):
        await pending


@pytest.mark.parametrize("line", ["nonsense", "call 1 /a/b 5000 -", "call 1 /a/b 5000 - ***", "call 1 /a/b 1 x -"])
async def test_a_line_that_it_cannot_read_is_an_error(command, endpoint, line):
    """It says so instead of calling something else."""
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command),
        endpoint.address,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await asyncio.wait_for(process.communicate(f"{line}\n".encode()), 20)
    assert out.splitlines()[1].startswith(b"error - ")
    assert not endpoint.metadata
