"""Exec, attach and port-forward over WebSocket, with aiohttp's client and that of the kubernetes package."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from lab.pod_configs import sh
from tests.integration.streaming.peer import digest_of_feed
from tests.integration.streaming.test_attach import attach_url
from tests.integration.streaming.test_exec_spdy import MANY, exec_url, processes, wait_clean
from tests.integration.streaming.test_port_forward import GET, forward_url

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.pods import Container, Pod

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PLAIN = [V5, V4, "channel.k8s.io", ""]
BASE64 = ["v4.base64.channel.k8s.io", "base64.channel.k8s.io"]


async def session(
    url: str, protocol: str, *, send: list[bytes | str] | None = None, keep: bool = True
) -> tuple[dict[int, Any], str]:
    """Send messages, receive to the end: bytes by channel (``keep`` false: their digest), and the agreed protocol."""
    streams: dict[int, Any] = {}
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, protocols=(protocol,) if protocol else (), max_msg_size=0) as socket,
    ):
        for message in send or []:
            await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
        async for heard in socket:
            if heard.type is aiohttp.WSMsgType.TEXT:
                channel, data = int(heard.data[0]), base64.b64decode(heard.data[1:])
            else:
                channel, data = heard.data[0], heard.data[1:]
            if keep:
                streams[channel] = streams.get(channel, b"") + data
            else:
                streams.setdefault(channel, hashlib.sha256()).update(data)
        return streams, socket.protocol or ""


@pytest.mark.parametrize("protocol", PLAIN + BASE64)
async def test_every_sub_protocol(container: Container, protocol: str) -> None:
    """Outputs on their channels, and the end on the error channel, as JSON from v4 on."""
    url = await exec_url(container, *sh("echo out; echo err >&2; exit 5"))
    streams, agreed = await session(url, protocol)
    assert agreed == protocol
    assert streams[1] == b"out\n" and streams[2] == b"err\n"
    if protocol.startswith("v"):
        assert json.loads(streams[3])["details"]["causes"][0]["message"] == "5"
    else:
        assert streams[3] == b"command terminated with non-zero exit code: 5"


async def test_v5_ends_stdin(container: Container) -> None:
    """The close message is the end of the command's stdin."""
    url = await exec_url(container, *sh("cat; echo over"), stdin=True)
    streams, _ = await session(url, V5, send=[b"\x00hello\n", b"\xff\x00"])
    assert streams[1] == b"hello\nover\n"
    assert json.loads(streams[3])["status"] == "Success"


async def test_base64_stdin_and_resize(container: Container) -> None:
    """Text messages carry bytes of any kind, and sizes."""
    url = await exec_url(container, *sh("read x; sleep 0.3; stty size; echo got $x"), tty=True, stdin=True)
    size = "4" + base64.b64encode(b'{"Width":61,"Height":17}').decode()
    streams, _ = await session(url, BASE64[0], send=[size, "0" + base64.b64encode(b"w\n").decode()])
    assert b"17 61\r\n" in streams[1] and b"got w\r\n" in streams[1]


async def test_a_long_output(container: Container) -> None:
    """Complete and in order."""
    script = f"yes spdy-transport! | dd bs=64k count={MANY >> 16} iflag=fullblock 2>/dev/null"
    streams, _ = await session(await exec_url(container, *sh(script)), V5, keep=False)
    assert streams[1].hexdigest() == digest_of_feed(MANY)


async def test_a_long_input(container: Container) -> None:
    """Every byte arrives before the end."""
    url = await exec_url(container, "sha256sum", stdin=True)
    block = b"\x00" + b"spdy-transport!\n" * 4096
    streams, _ = await session(url, V5, send=[*[block] * 256, b"\xff\x00"])
    assert streams[1].split()[0].decode() == hashlib.sha256(block[1:] * 256).hexdigest()


async def test_the_kubernetes_package_executes(container: Container) -> None:
    """The client that Python programs use: stdin, both outputs, the exit code."""
    ws_client = pytest.importorskip("kubernetes.stream.ws_client")
    client = pytest.importorskip("kubernetes.client")
    url = await exec_url(container, *sh("read x; echo got $x; echo err >&2; exit 4"), stdin=True)

    def talk() -> tuple[str, str, int]:
        socket = ws_client.WSClient(client.Configuration(), url.replace("http", "ws", 1), {}, capture_all=True)
        socket.write_stdin("word\n")
        socket.run_forever(timeout=10)
        return socket.read_stdout(), socket.read_stderr(), socket.returncode

    assert await asyncio.to_thread(talk) == ("got word\n", "err\n", 4)


async def test_the_kubernetes_package_forwards(pod: Pod) -> None:
    """Its port-forward over channels, with two ports on one WebSocket."""
    ws_client = pytest.importorskip("kubernetes.stream.ws_client")
    client = pytest.importorskip("kubernetes.client")
    for port in (8071, 8072):
        page = f"mkdir -p /www && echo page{port} > /www/index.html"
        await pod.start(command=sh(f"{page} && exec httpd -f -p {port} -h /www"))
    await asyncio.sleep(0.5)
    url = await forward_url(pod, 8071, 8072)

    def talk() -> list[bytes]:
        socket = ws_client.create_websocket(client.Configuration(), url.replace("http", "ws", 1))
        forward = ws_client.PortForward(socket, [8071, 8072])
        answers = []
        for port in (8071, 8072):
            connection = forward.socket(port)
            connection.settimeout(5)
            connection.sendall(GET.encode())
            answer = b""
            while b"page" not in answer:
                answer += connection.recv(4096)
            answers.append(answer[-9:])
        forward.close()
        return answers

    assert await asyncio.to_thread(talk) == [b"page8071\n", b"page8072\n"]


async def test_a_port_without_a_server(pod: Pod) -> None:
    """Told on the port's error channel, after the port's number."""
    streams, _ = await session(await forward_url(pod, 9), V4)
    assert streams[0] == struct.pack("<H", 9)
    assert streams[1].startswith(struct.pack("<H", 9)) and b"port 9" in streams[1]


async def test_attach(pod: Pod) -> None:
    """Output as it comes, and the end of the container."""
    container = await pod.start(command=sh("sleep 2; echo out"))
    streams, _ = await session(await attach_url(container), V5)
    assert streams[1] == b"out\n"
    assert json.loads(streams[3])["status"] == "Success"


async def test_an_unknown_sub_protocol_is_refused(container: Container) -> None:
    """Rather than speaking one that the client does not understand."""
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(await exec_url(container, "true"), protocols=("v9.channel.k8s.io",))
    assert refused.value.status == 403


async def test_without_an_upgrade(container: Container) -> None:
    """A browser gets a sentence."""
    async with aiohttp.ClientSession() as http, http.get(await exec_url(container, "true")) as response:
        assert response.status == 400
        assert "SPDY" in await response.text()


async def test_a_client_that_goes_takes_its_command_along(lab: Lab, container: Container) -> None:
    """The process is killed and the FIFOs are gone, as with SPDY."""
    url = await exec_url(container, *sh("while :; do sleep 0.1; done; echo web-leftover"), stdin=True)
    async with aiohttp.ClientSession() as http:
        socket = await http.ws_connect(url, protocols=(V5,))
        await asyncio.sleep(0.5)
        assert "web-leftover" in await processes(container, "web-leftover")
        await socket.close()
    await wait_clean(lab, container)
    assert "web-leftover" not in await processes(container, "web-leftover")


async def test_a_hundred_at_once(lab: Lab, container: Container) -> None:
    """Each gets its own output; afterwards there are no more descriptors than before."""
    await exec_url(container, "true")
    descriptors = Path(f"/proc/{lab.bridge.daemon.pid}/fd")

    async def one(number: int) -> None:
        url = await exec_url(container, *sh(f"echo {number}; exit {number}"))
        streams, _ = await session(url, V4)
        assert streams[1] == f"{number}\n".encode()
        assert (b'"NonZeroExitCode"' in streams[3]) == (number != 0)

    await one(1)
    before = len(list(descriptors.iterdir()))
    await asyncio.gather(*map(one, range(100)))
    await wait_clean(lab, container)
    assert len(list(descriptors.iterdir())) <= before + 4


async def test_a_hundred_live_at_once(lab: Lab, container: Container) -> None:
    """Each is heard however soon it speaks after its start, and all together cost the daemon little memory."""
    before = lab.bridge.rss_kib()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def talk(number: int) -> aiohttp.ClientWebSocketResponse:
            socket = await http.ws_connect(await exec_url(container, "cat", stdin=True), protocols=(V5,))
            await socket.send_bytes(b"\x00" + str(number).encode())
            while (message := await socket.receive()).data == b"\x01":
                pass
            assert message.data == b"\x01" + str(number).encode()
            return socket

        sockets = await asyncio.wait_for(asyncio.gather(*map(talk, range(100))), 60)
        assert lab.bridge.rss_kib() - before < 32 << 10
        for socket in sockets:
            await socket.send_bytes(b"\xff\x00")
        for socket in sockets:
            assert b'"Success"' in [message.data async for message in socket][-1]
    await wait_clean(lab, container)
