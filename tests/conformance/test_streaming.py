"""Exec, Attach and PortForward over WebSocket, in the version that the plugin serves too (v4.channel.k8s.io).

A message is a byte that names the channel, and data: 0 stdin, 1 stdout, 2 stderr, 3 how it ended, as JSON. With
port-forward each port has two channels, data and error, and the first message on each is the port's number.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct

import aiohttp
import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.patience import patient
from lab.pod_configs import sh
from lab.pods import fetch, web_server

V4 = "v4.channel.k8s.io"
PATIENCE = patient(20)


@contextlib.asynccontextmanager
async def connected(url):
    """A WebSocket to a URL that the runtime gave."""
    async with aiohttp.ClientSession() as http, http.ws_connect(url, protocols=(V4,), max_msg_size=0) as socket:
        yield socket


async def heard(socket, *, until=None):
    """Bytes by channel: all of them up to the end, or up to what the output has to contain."""
    streams: dict[int, bytes] = {}
    async with asyncio.timeout(PATIENCE):
        async for message in socket:
            streams[message.data[0]] = streams.get(message.data[0], b"") + message.data[1:]
            if until is not None and until in streams.get(1, b""):
                break
    return streams


async def executed(client, container, *command, **streams):
    """What a command in a container says, by channel."""
    wanted = {"stdout": True, "stderr": True, **streams}
    answer = await client.Exec(container_id=container.id, cmd=command, **wanted)
    async with connected(answer.url) as socket:
        return await heard(socket)


@pytest.mark.proves("RuntimeService.Exec")
async def test_exec(client, pod):
    """Both outputs come on their channels, and then the exit code."""
    container = await pod.start()
    result = await executed(client, container, *sh("echo out; echo err >&2; exit 5"))
    assert (result[1], result[2]) == (b"out\n", b"err\n")
    assert json.loads(result[3])["details"]["causes"] == [{"reason": "ExitCode", "message": "5"}]


async def test_exec_that_ends_well(client, pod):
    """Exit code 0 is a success."""
    result = await executed(client, await pod.start(), "true")
    assert json.loads(result[3])["status"] == "Success"


async def test_exec_with_a_terminal_and_stdin(client, pod):
    """What is typed reaches the command, and what a terminal makes of it comes back."""
    container = await pod.start()
    answer = await client.Exec(
        container_id=container.id,
        cmd=sh("read x; echo got $x; test -t 1 && echo tty"),
        tty=True,
        stdin=True,
        stdout=True,
    )
    async with connected(answer.url) as socket:
        await socket.send_bytes(b"\x00word\n")
        streams = await heard(socket)
    assert b"got word\r\n" in streams[1]
    assert b"tty\r\n" in streams[1]


async def test_exec_needs_a_running_container(client, node, pod):
    """A container that has not started gives no URL."""
    container = await pod.create()
    code, _ = await failure(client.Exec(container_id=container.id, cmd=["true"], stdout=True))
    assert code == node.code(grpc.StatusCode.FAILED_PRECONDITION, plugin=grpc.StatusCode.UNKNOWN)


@pytest.mark.proves("RuntimeService.Attach", "ContainerConfig.stdin")
async def test_attach(client, pod):
    """Whoever attaches talks to the main process itself, and its answer is in the log as well."""
    container = await pod.start(stdin=True, command=sh("read x; echo got $x; sleep 3600"))
    answer = await client.Attach(container_id=container.id, stdin=True, stdout=True, stderr=True)
    async with connected(answer.url) as socket:
        await socket.send_bytes(b"\x00word\n")
        assert (await heard(socket, until=b"got word\n"))[1] == b"got word\n"
    assert await container.logged("got word\n")
    assert (await container.status()).state == cri.CONTAINER_RUNNING


@pytest.mark.proves("ContainerConfig.stdin_once")
@pytest.mark.parametrize("once", [True, False])
async def test_stdin_once(client, pod, once):
    """With stdin_once the end of the first attachment is the end of stdin; without, the process waits for the next."""
    script = "while read x; do echo got $x; done; echo over"
    container = await pod.start(stdin=True, stdin_once=once, command=sh(script))
    for word in (b"one", b"two")[: 1 if once else 2]:
        answer = await client.Attach(container_id=container.id, stdin=True, stdout=True, stderr=True)
        async with connected(answer.url) as socket:
            await socket.send_bytes(b"\x00" + word + b"\n")
            await heard(socket, until=b"got " + word)
    if once:
        assert (await container.ended()).exit_code == 0
        assert await container.logged("over")
    else:
        assert (await container.status()).state == cri.CONTAINER_RUNNING
        assert "over" not in await container.logged("got two")


@pytest.mark.proves("RuntimeService.PortForward")
async def test_port_forward(client, node):
    """Bytes go to a port of the pod and its answer comes back."""
    pod = await node.run()
    await pod.start(command=web_server("forwarded"))
    assert await fetch(await pod.ip(), 8080) == "forwarded"
    answer = await client.PortForward(pod_sandbox_id=pod.id, port=[8080])
    # The plugin wants the port in the URL once more.
    async with connected(answer.url if node.kind == "bridge" else f"{answer.url}?port=8080") as socket:
        await socket.send_bytes(b"\x00GET / HTTP/1.0\r\n\r\n")
        data = b""
        async with asyncio.timeout(PATIENCE):
            while b"forwarded" not in data:
                message = await socket.receive()
                assert message.type is aiohttp.WSMsgType.BINARY, message
                data += message.data[1:] if message.data[0] == 0 else b""
    assert data.startswith(struct.pack("<H", 8080) + b"HTTP/1.")


async def test_port_forward_needs_a_ready_pod(client, node):
    """A stopped pod gives no URL."""
    pod = await node.run()
    await pod.stop()
    await failure(client.PortForward(pod_sandbox_id=pod.id, port=[80]))
