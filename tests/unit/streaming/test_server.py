"""The HTTP server with a session that needs no container: tokens, TLS, both upgrades, the end of the server."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from cri_shim import http_limits
from cri_shim.errors import FailedPreconditionError
from cri_shim.http_limits import ConnectionLimits
from cri_shim.streaming.certificate import server_context
from cri_shim.streaming.remote import Outcome, Output, RemoteRequest, RequestedStreams
from cri_shim.streaming.server import StreamingServer
from cri_shim.streaming.spdy import Connection
from cri_shim.streaming.spdy.events import DataReceived, StreamAccepted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cri_shim.streaming.remote import RemoteClient

ANYONE = ssl.create_default_context()
ANYONE.check_hostname = False
ANYONE.verify_mode = ssl.CERT_NONE


async def echo(client: RemoteClient) -> Outcome:
    """Give back one piece of stdin."""
    await client.write(Output.STDOUT, await client.read_stdin())
    return Outcome(exit_code=2)


REQUEST = RemoteRequest(RequestedStreams(stdin=True, stdout=True, stderr=False, tty=False), echo)


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[StreamingServer]:
    """A server on a port of its own."""
    server = StreamingServer("127.0.0.1", 0, idle_timeout=5, **options)
    server.bind()
    yield server
    await asyncio.wait_for(server.stop(), 10)


async def over_websocket(url: str) -> list[Any]:
    """Say hello under v5; every message that comes back."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, protocols=("v5.channel.k8s.io",), ssl=ANYONE) as connection,
    ):
        await connection.send_bytes(b"\x00hello")
        return [message.data async for message in connection]


async def over_spdy(url: str) -> bytes:
    """Say hello over SPDY; the data of both streams that come back."""
    where = urlsplit(url)
    context = ANYONE if where.scheme == "https" else None
    reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=context)
    head = f"POST {where.path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    writer.write(f"{head}X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n".encode())
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    codec = Connection(client=True)
    streams = [codec.open_stream({"streamtype": kind}) for kind in ("error", "stdout", "stdin")]
    writer.write(codec.data_to_send())
    accepted, data = 0, b""
    while b"ExitCode" not in data:
        for event in codec.receive_data(await reader.read(65536)):
            if isinstance(event, StreamAccepted):
                accepted += 1
            elif isinstance(event, DataReceived):
                data += event.data
        if accepted == 3:
            accepted = 0
            codec.send_data(streams[2], b"hello", fin=True)
        writer.write(codec.data_to_send())
    writer.close()
    return data


async def test_both_upgrades():
    """The same session over WebSocket and over SPDY."""
    async with serving() as server:
        messages = await over_websocket(await server.url("exec", REQUEST))
        assert messages[:2] == [b"\x01", b"\x01hello"]
        assert b'"ExitCode","message":"2"' in messages[2]
        assert (await over_spdy(await server.url("exec", REQUEST))).startswith(b"hello")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_tls_with_a_certificate_of_its_own():
    """https in the URL, and both upgrades inside TLS."""
    async with serving(tls=server_context("", "", "127.0.0.1")) as server:
        url = await server.url("exec", REQUEST)
        assert url.startswith("https://127.0.0.1:")
        assert (await over_websocket(url))[1] == b"\x01hello"
        assert (await over_spdy(await server.url("exec", REQUEST))).startswith(b"hello")


def test_a_pair_that_is_not_there_is_an_error():
    """Told when the first URL is asked for, with the reason."""
    with pytest.raises(OSError, match="No such file"):
        server_context("/nonexistent/cert", "/nonexistent/key", "127.0.0.1")()


async def test_a_token_is_bound_to_its_path():
    """What was asked for as exec is not to be had as attach, and the try uses the token up."""
    async with serving() as server, aiohttp.ClientSession() as http:
        url = await server.url("exec", REQUEST)
        for path in (url.replace("/exec/", "/attach/"), url):
            async with http.get(path) as response:
                assert response.status == 404


async def test_other_paths_and_methods_are_refused():
    """Neither uses a token up."""
    async with serving() as server, aiohttp.ClientSession() as http:
        url = await server.url("exec", REQUEST)
        async with http.get(f"{server.base_url}/metrics") as response:
            assert response.status == 404
        async with http.put(url) as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET,POST")
        assert (await over_websocket(url))[1] == b"\x01hello"


async def test_a_port_that_is_taken_is_reported_at_once():
    """With the address, not at the first exec."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = StreamingServer("127.0.0.1", taken.getsockname()[1], idle_timeout=0)
        with pytest.raises(OSError, match="cannot listen on"):
            server.bind()


async def test_the_end_of_the_server_ends_its_sessions():
    """A session that would wait for ever does not hold the daemon back."""
    ended = asyncio.Event()

    async def wait(_client: RemoteClient) -> Outcome:
        try:
            await asyncio.sleep(100)
        finally:
            ended.set()
        return Outcome()

    async with serving() as server, aiohttp.ClientSession() as http:
        url = await server.url("exec", RemoteRequest(REQUEST.wanted, wait))
        connection = await http.ws_connect(url, protocols=("v4.channel.k8s.io",))
        await connection.receive()
        await asyncio.wait_for(server.stop(), 60)
        assert ended.is_set()


async def test_a_bug_in_a_session_is_reported_to_its_client():
    """And to nobody else."""

    async def broken(_client: RemoteClient) -> Outcome:
        raise ZeroDivisionError("oops")

    async with serving() as server:
        request = RemoteRequest(REQUEST.wanted, broken)
        assert b"oops" in (await over_websocket(await server.url("exec", request)))[-1]
        assert (await over_websocket(await server.url("exec", REQUEST)))[1] == b"\x01hello"


async def test_a_connection_without_a_session_is_closed_in_time(monkeypatch: pytest.MonkeyPatch):
    """Without a request, after half of one, or after the answer to one; a session that is idle is not."""
    monkeypatch.setattr(http_limits, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(ConnectionLimits.__init__, "__kwdefaults__", {"patience": 0.5})
    idle, others_closed = asyncio.Event(), asyncio.Event()

    async def wait(client: RemoteClient) -> Outcome:
        idle.set()
        await others_closed.wait()
        return await echo(client)

    async with serving() as server:
        url = await server.url(
            "exec", RemoteRequest(RequestedStreams(stdin=True, stdout=True, stderr=False, tty=False), wait)
        )
        session = asyncio.create_task(over_websocket(url))
        await asyncio.wait_for(idle.wait(), 20)
        where = urlsplit(server.base_url)

        async def until_closed(sent: bytes) -> None:
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
            writer.write(sent)
            with suppress(ConnectionError):
                await reader.read()
            writer.close()

        requests = (b"", b"GET /exec/x HTTP/1.1\r\nHost: ", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(20):
            await asyncio.gather(*map(until_closed, requests))
            await until_closed(b"")  # the session has been idle for twice as long as a connection may be
        others_closed.set()
        assert b"\x01hello" in await session


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FailedPreconditionError("no \ud800 here"), "no \ufffd here"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "/x: no space left on device; free space"),
        (FailedPreconditionError("no " + "x" * 3_000_000), "... (2999744 more characters)"),
    ],
)
async def test_the_last_word_of_a_session_can_be_sent(error: Exception, said: str):
    """Whatever the text of an error holds, the client is given a reason."""

    async def fail(_client: RemoteClient) -> Outcome:
        if isinstance(error, OSError):
            raise error
        return Outcome(error=str(error))

    async with serving() as server:
        url = await server.url(
            "exec", RemoteRequest(RequestedStreams(stdin=False, stdout=True, stderr=False, tty=False), fail)
        )
        *_, last = await over_websocket(url)
    status = json.loads(last[1:])
    assert said in status["message"]
    assert len(status["message"]) <= 4096
