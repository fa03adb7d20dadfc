"""Large bodies past the HTTP library: everything that was promised arrives, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import ssl
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest
import uvloop

from containerd_client.distribution import blob_copy
from containerd_client.distribution.blob_copy import BlobCopy
from containerd_client.distribution.chunk_queue import ChunkQueue
from containerd_client.distribution.progress import Progress
from containerd_client.distribution.registries import large_body
from containerd_client.distribution.registries.answer import Answer
from containerd_client.distribution.values.errors import TransferError
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.urls import parse_url
from lab.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

BODY = os.urandom(1_000_000)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"

Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks that are small enough to have many of them."""
    monkeypatch.setattr(large_body, "LARGE", 1000)
    monkeypatch.setattr(large_body, "BLOCK", 70_000)


@pytest.fixture
def used(monkeypatch):
    """How many bodies were read past the library."""
    calls: list[int] = []
    real = large_body._Body

    def counted(transport, library, size, idle_limit):
        calls.append(size)
        return real(transport, library, size, idle_limit)

    monkeypatch.setattr(large_body, "_Body", counted)
    return calls


@contextlib.asynccontextmanager
async def answered(
    serve: Serve,
    idle_limit: float | None = None,
    tls: ssl.SSLContext | None = None,
    trust: ssl.SSLContext | None = None,
) -> AsyncIterator[Answer]:
    """Have a server send something, and yield the answer as a registry's client gets it."""

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            await serve(writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, ssl=tls)
    url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/blob"
    try:
        async with aiohttp.ClientSession(auto_decompress=False, read_bufsize=4096) as session:
            response = await session.get(url, ssl=trust or True)
            try:
                yield Answer(response, parse_url(url), "GET it", foreign=False, idle_limit=idle_limit)
            finally:
                response.release()
    finally:
        server.close()


class MemoryIngest:
    """An ingest in memory, which takes each message late."""

    def __init__(self) -> None:
        self.offset, self.messages = 0, list[bytes]()

    def packed(self, pieces: list[bytes | memoryview]) -> bytes:
        message = b"".join(pieces)
        pieces.clear()
        return message

    async def send(self, message: bytes, size: int) -> None:
        await asyncio.sleep(0.001)
        self.messages.append(message)
        self.offset += size

    async def flush(self) -> None:
        pass


async def body_of(answer: Answer, size: int = len(BODY)) -> bytes:
    return b"".join([bytes(piece) async for piece in answer.blob(size, "")])


def sending(*parts: bytes, pause: float = 0.0) -> Serve:
    async def serve(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return serve


def reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SO_LINGER: no time
    writer.transport.abort()


def certified(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a server uses, and what trusts it."""
    authority = Authority.make(directory)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.issue("server"))
    return tls, ssl.create_default_context(cafile=str(authority.certificate))


@pytest.mark.parametrize("first", [0, 1, 69_999, 70_000, 500_000])
async def test_all_of_it(used, first):
    """Whatever the library has read before the rest is taken from it."""
    async with answered(sending(HEAD % len(BODY) + BODY[:first], BODY[first:], pause=0.02)) as answer:
        await asyncio.sleep(0.05)
        assert await body_of(answer) == BODY
    assert len(used) == 1


@pytest.mark.parametrize("first", [0, 1, 69_999, 70_001])
async def test_what_a_copy_keeps_is_not_overwritten(monkeypatch, used, first):
    """While more arrives, a copy to containerd keeps less than one message, and a message fits in a block."""
    monkeypatch.setattr(blob_copy, "MESSAGE", large_body.BLOCK)
    writer = MemoryIngest()
    blob = Descriptor("application/octet-stream", "sha256:" + "0" * 64, len(BODY))
    async with answered(sending(HEAD % len(BODY) + BODY[:first], BODY[first:], pause=0.02)) as answer:
        copy = BlobCopy(blob, cast("Any", writer), Progress("blob", 0), ChunkQueue(), 0)
        await copy.run(answer.blob(len(BODY), ""))
    assert b"".join(writer.messages) == BODY
    assert used


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("secure", [False, True])
def test_on_both_loops(used, tmp_path, run, secure):
    """The transports of both, and what decrypts on top of them, read into the blocks; however little came before."""
    tls, trust = certified(tmp_path) if secure else (None, None)

    async def pull(first: int) -> None:
        serve = sending(HEAD % len(BODY) + BODY[:first], BODY[first:], pause=0.02)
        async with answered(serve, tls=tls, trust=trust) as answer, asyncio.timeout(10):
            assert await body_of(answer) == BODY

    for first in (0, 1, 300_000):
        run(pull(first))
    assert len(used) == 3


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_the_end_is_not_waited_for(monkeypatch, used, tmp_path, run):
    """TLS holds the beginning of a record, so the socket never has as many bytes as the body still lacks."""
    monkeypatch.setattr(large_body, "BLOCK", 4 << 20)
    monkeypatch.setattr(large_body, "SOON", 30)
    tls, trust = certified(tmp_path)
    step = 200_000

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % len(BODY))
        for start in range(0, len(BODY), step):
            writer.write(BODY[start : start + step])
            await asyncio.sleep(0.01)
        await asyncio.sleep(20)

    async def pull() -> None:
        async with answered(serve, tls=tls, trust=trust) as answer, asyncio.timeout(10):
            assert await body_of(answer) == BODY

    run(pull())
    assert used


async def test_more_than_was_promised(used):
    """What comes after the end of the body is not read."""
    async with answered(sending(HEAD % len(BODY) + BODY + b"more" * 10_000)) as answer:
        assert await body_of(answer) == BODY
    assert used


@pytest.mark.parametrize("sent", [0, 10, 7_000, 999_999])
async def test_the_other_side_closes_early(used, sent):
    """What came is kept, and the end is an error that may be tried again."""
    came = b""
    async with answered(sending(HEAD % len(BODY) + BODY[:10], BODY[10:sent], pause=0.05)) as answer:
        with pytest.raises(TransferError, match=r"closed by the other side|ended before the whole body"):
            async for piece in answer.blob(len(BODY), ""):
                came += piece
    assert came == BODY[: max(sent, 10)]


async def test_a_reset(used):
    """So is a connection that is reset."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % len(BODY) + BODY[:20_000])
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)

    async with answered(serve) as answer:
        with pytest.raises(TransferError):
            await body_of(answer)
    assert used


async def test_nothing_comes(used):
    """The time limit is for a silence, not for the body: one that trickles comes to its end."""

    async def stuck(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % len(BODY) + BODY[:20_000])
        await asyncio.sleep(5)

    async with answered(stuck, idle_limit=0.1) as answer:
        with pytest.raises(TransferError, match="no byte in time"):
            async with asyncio.timeout(4):
                await body_of(answer)
    steps = [BODY[start : start + 100_000] for start in range(0, len(BODY), 100_000)]
    async with answered(sending(HEAD % len(BODY), *steps, pause=0.05), idle_limit=0.3) as answer:
        assert await body_of(answer) == BODY
    assert len(used) == 2


async def test_a_reader_that_takes_its_time(used):
    """The server waits for it, its pause does not count as the server's silence, and only one block is read ahead."""
    sent = 0

    async def serve(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.transport.set_write_buffer_limits(0)
        writer.write(HEAD % (64 << 20))
        for _ in range(64):
            writer.write(bytes(1 << 20))
            await writer.drain()
            sent += 1

    async with answered(serve, idle_limit=0.2) as answer:
        pieces = answer.blob(64 << 20, "")
        while not used:
            assert await anext(pieces)
        await asyncio.sleep(0.5)
        assert sent < 40
        assert await anext(pieces)


@pytest.mark.parametrize("end", ["whole", "closed", "reset", "silent"])
@pytest.mark.parametrize("way", [*itertools.product([asyncio.run, uvloop.run], [False, True])])
def test_blocks_are_given_back_at_once(monkeypatch, used, tmp_path, way, end):
    """However the body ends, they do not wait for a collection of garbage, with what refers to them."""
    run, secure = way
    blocks = weakref.WeakSet[bytearray]()

    class Block(bytearray):
        __hash__ = object.__hash__  # type: ignore[assignment]

        def __init__(self, size: int) -> None:
            super().__init__(size)
            blocks.add(self)

    monkeypatch.setattr(large_body, "bytearray", Block, raising=False)
    tls, trust = certified(tmp_path) if secure else (None, None)

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % len(BODY) + BODY[: None if end == "whole" else 300_000])
        await writer.drain()
        await asyncio.sleep(1 if end == "silent" else 0.1)
        if end == "reset":
            reset(writer)

    async def pull() -> None:
        blob = Descriptor("application/octet-stream", "sha256:" + "0" * 64, len(BODY))
        async with answered(serve, 0.2, tls=tls, trust=trust) as answer:
            copy = BlobCopy(blob, cast("Any", MemoryIngest()), Progress("blob", 0), ChunkQueue(), 0)
            with contextlib.suppress(TransferError):
                await copy.run(answer.blob(len(BODY), ""))
                assert end == "whole"
        del copy, answer
        assert used
        await asyncio.sleep(0.1)
        assert not blocks

    gc.disable()
    try:
        run(pull())
    finally:
        gc.enable()


async def test_left_early(used):
    """Who leaves closes the connection."""
    gone = asyncio.Event()

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD % len(BODY) + BODY[:50_000])
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)
        gone.set()

    async with answered(serve) as answer:
        reading = asyncio.create_task(body_of(answer))
        await asyncio.sleep(0.05)
        reading.cancel()
        await asyncio.wait({reading})
        assert reading.cancelled()
    await asyncio.wait_for(gone.wait(), 2)
    assert used


@pytest.mark.parametrize(
    "data",
    [
        HEAD % 999 + BODY[:999],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf4240\r\n" + BODY + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    ],
)
async def test_what_stays_with_the_library(used, data):
    """A small body keeps its connection; one in chunks, or without a length, has more than its bytes on the wire."""
    async with answered(sending(data)) as answer:
        body = await body_of(answer)
        assert body in (BODY, BODY[:999])
    assert not used
