"""Clients that mean harm end their own connection, with the right word where there is one, and nothing else."""

from __future__ import annotations

import asyncio
import os
import random
import struct
import zlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import pytest

from cri_shim.streaming.spdy import frames
from cri_shim.streaming.spdy.headers import DICTIONARY, HeaderWriter
from lab.patience import patient
from tests.integration.streaming.test_exec_spdy import exec_url, wait_clean
from tests.integration.streaming.test_port_forward import forward_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.lab import Lab
    from lab.pods import Container, Pod

MEMORY_KIB = 32 * 1024
STREAMS = 1024
"""How many a connection may have."""


async def upgraded(url: str, protocol: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection right after the upgrade to SPDY."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1 << 22)
    head = f"POST {where.path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    writer.write(f"{head}X-Stream-Protocol-Version: {protocol}\r\n\r\n".encode())
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def answer_to(url: str, protocol: str, attack: Iterator[bytes]) -> list[frames.ControlFrame]:
    """Send all of an attack, as far as the server listens; the control frames that came back before the end."""
    reader, writer = await upgraded(url, protocol)
    received = bytearray()

    async def listen() -> None:
        while data := await reader.read(65536):
            received.extend(data)

    listening = asyncio.create_task(listen())
    try:
        for piece in attack:
            writer.write(piece)
            await asyncio.wait_for(writer.drain(), 10)
        await asyncio.wait_for(listening, 15)
    except ConnectionError:
        await asyncio.wait({listening}, timeout=5)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        writer.close()
    frames_read = frames.FrameReader(1 << 24).feed(bytes(received))
    return [frame for frame in frames_read if isinstance(frame, frames.ControlFrame)]


def said_goodbye(answer: list[frames.ControlFrame]) -> bool:
    """Whether the last frame is a GOAWAY for a protocol error."""
    return bool(answer) and answer[-1].type == frames.FrameType.GOAWAY and answer[-1].numbers(2)[1] == 1


@pytest.fixture
def memory(lab: Lab) -> Iterator[None]:
    """The daemon takes no more than 32 MiB for whatever the test does."""
    before = lab.bridge.rss_kib()
    yield
    assert lab.bridge.rss_kib() - before < MEMORY_KIB
    assert lab.bridge.daemon.alive


@pytest.mark.usefixtures("memory")
async def test_random_bytes(lab: Lab, container: Container) -> None:
    """Noise after the upgrade, two megabytes of it in fifty connections."""
    for seed in range(50):
        noise = random.Random(seed)
        url = await exec_url(container, "true")
        answer = await answer_to(url, "v4.channel.k8s.io", iter([b"\x80" + noise.randbytes(40000)]))
        assert said_goodbye(answer)
    await lab.client.Version()


@pytest.mark.usefixtures("memory")
async def test_header_bomb(container: Container) -> None:
    """Sixteen megabytes of header in sixteen kilobytes."""
    deflate = zlib.compressobj(9, zdict=DICTIONARY)
    block = deflate.compress(struct.pack(">II", 1, 1 << 24) + b"a" * (1 << 24)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    attack = [frames.control(frames.FrameType.SYN_STREAM, struct.pack(">IIH", 1, 0, 0) + block[:16000])]
    assert said_goodbye(await answer_to(await exec_url(container, "true"), "v4.channel.k8s.io", iter(attack)))


def streams(count: int) -> Iterator[bytes]:
    """Frames that open streams of a port-forward."""
    writer = HeaderWriter()
    for number in range(count):
        headers = {"streamtype": "data", "port": "80", "requestid": str(number)}
        yield frames.syn_stream(2 * number + 1, writer.write(headers))


@pytest.mark.usefixtures("memory")
async def test_ten_thousand_streams(pod: Pod) -> None:
    """A flood of streams ends the connection; no more than the limit are answered.

    What was answered need not arrive: a kernel that still has the flood's rest drops it with the connection.
    """
    answer = await answer_to(await forward_url(pod), "portforward.k8s.io", streams(10000))
    assert sum(frame.type == frames.FrameType.SYN_REPLY for frame in answer) <= STREAMS


@pytest.mark.usefixtures("memory")
async def test_one_stream_too_many(pod: Pod) -> None:
    """A port-forward may have many streams, but not that many: the one that is too much is refused, and only that."""
    reader, writer = await upgraded(await forward_url(pod), "portforward.k8s.io")
    frame_reader, answer = frames.FrameReader(1 << 24), list[frames.ControlFrame]()
    for number, opening in enumerate(streams(STREAMS + 1), 1):
        writer.write(opening)
        async with asyncio.timeout(patient(30)):
            while len(answer) < number and (data := await reader.read(65536)):
                answer += [frame for frame in frame_reader.feed(data) if isinstance(frame, frames.ControlFrame)]
    writer.close()
    assert {frame.type for frame in answer[:STREAMS]} == {frames.FrameType.SYN_REPLY}
    assert answer[STREAMS].type == frames.FrameType.RST_STREAM
    assert answer[STREAMS].numbers(2) == (2 * STREAMS + 1, 3)  # REFUSED_STREAM


@pytest.mark.usefixtures("memory")
async def test_window_overflow(container: Container) -> None:
    """Who says that it knows windows and then does not respect them is sent away."""

    def attack() -> Iterator[bytes]:
        writer = HeaderWriter()
        yield frames.settings({4: 1})
        for stream, kind in ((1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")):
            yield frames.syn_stream(stream, writer.write({"streamtype": kind}))
        for stream in (3, 5, 7, 1) * 40:
            yield frames.data_head(stream, 65536, fin=False) + bytes(65536)

    url = await exec_url(container, "sleep", "1000", stdin=True)
    answer = await answer_to(url, "v4.channel.k8s.io", attack())
    assert said_goodbye(answer) or any(f.type == frames.FrameType.RST_STREAM and f.numbers(2)[1] == 7 for f in answer)


@pytest.mark.usefixtures("memory")
async def test_stdin_without_a_reader(lab: Lab, container: Container) -> None:
    """A client that sends without end and knows no windows is not read from any more."""
    reader, writer = await upgraded(await exec_url(container, "sleep", "1000", stdin=True), "v4.channel.k8s.io")
    headers = HeaderWriter()
    for stream, kind in ((1, "error"), (3, "stdin"), (5, "stdout"), (7, "stderr")):
        writer.write(frames.syn_stream(stream, headers.write({"streamtype": kind})))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            while True:
                writer.write(frames.data_head(3, 65536, fin=False) + os.urandom(65536))
                await writer.drain()
    writer.transport.abort()
    await asyncio.gather(reader.read(), return_exceptions=True)
    await lab.client.Version()


@pytest.mark.usefixtures("memory")
async def test_pings_without_end_and_without_ears(container: Container) -> None:
    """Who makes the daemon answer and does not read is cut off."""
    reader, writer = await upgraded(await exec_url(container, "true"), "v4.channel.k8s.io")
    block = frames.ping(1) * 20000
    with pytest.raises((ConnectionError, TimeoutError)):
        async with asyncio.timeout(10):
            while True:
                writer.write(block)
                await writer.drain()
                reader._buffer.clear()  # type: ignore[attr-defined]
                reader._transport.pause_reading()  # type: ignore[attr-defined]
    writer.transport.abort()


@pytest.mark.usefixtures("memory")
async def test_websocket_messages_that_mean_nothing(lab: Lab, container: Container, pod: Pod) -> None:
    """An unknown channel, a message that is too large, noise in the tunnel: the connection is closed, each time."""
    noise = random.Random(1).randbytes(40000)
    attacks = [
        (await exec_url(container, "sleep", "1000", stdin=True), "v5.channel.k8s.io", b"\x63" + noise, 1002),
        (await exec_url(container, "sleep", "1000", stdin=True), "v5.channel.k8s.io", bytes(2 << 20), 1009),
        (await forward_url(pod), "SPDY/3.1+portforward.k8s.io", b"\x80" + noise, 1000),
    ]
    async with aiohttp.ClientSession() as http:
        for url, protocol, message, code in attacks:
            async with http.ws_connect(url, protocols=(protocol,)) as socket:
                try:
                    await socket.send_bytes(message)
                except ConnectionError:
                    assert code == 1009  # nobody reads the rest of it; the code comes too late for who still sends
                    continue
                received = [part.data async for part in socket]
                cut = code == 1009 and socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE  # the same, later
                assert cut or socket.close_code == code
                assert code != 1000 or frames.goaway(0, 1) in received
    await lab.client.Version()


async def test_nothing_is_left(lab: Lab, container: Container) -> None:
    """After all of that no exec is left."""
    await wait_clean(lab, container, 30)
