"""What is around a body: headers, chunks and trailers without end, that are wrong, or that only some clients accept."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from containerd_client.distribution.registries.hosts import Host
from containerd_client.distribution.registries.registry import Source
from containerd_client.distribution.values.errors import RegistryUnavailableError, TransferError
from containerd_client.distribution.values.reference import parse_reference
from tests.integration.images.raw_registry import MANIFEST, WANTED, read, source
from tests.integration.images.raw_server import answer, chunked

HEADERS = b"HTTP/1.1 200 Some\r\n"
IN_CHUNKS = HEADERS + b"Transfer-Encoding: chunked\r\n\r\n"
FIELD = b"X: " + b"x" * 1_000_000 + b"\r\n"


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (HEADERS, FIELD),
        (b"", b"HTTP/1.1 103 Soon\r\n" + FIELD + b"\r\n"),
        (IN_CHUNKS + chunked(MANIFEST, end=b"0\r\n"), FIELD),
        (IN_CHUNKS + b"5;", b"x" * 1_000_000),
        (IN_CHUNKS, b"0" * 1_000_000),
    ],
    ids=["headers", "interim responses", "trailers", "an extension of a chunk", "the size of a chunk"],
)
async def test_more_and_more_that_is_no_body(client, begin, more):
    """A server that never comes to an end of it is stopped: it could fill all memory of the node."""
    sent = 0

    async def serve(reader, writer):
        nonlocal sent
        with contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(begin)
            while sent < 100_000_000:
                writer.write(more)
                await writer.drain()
                sent += len(more)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    where = Source(parse_reference(f"{address}/app:1"), (Host(f"http://{address}/v2"),))
    with contextlib.suppress(RegistryUnavailableError):  # unless the whole body had arrived by then
        assert await client.manifest(where, WANTED) == MANIFEST
    server.close()
    assert sent < 50_000_000


async def test_tiny_chunks(client, server):
    """A body of which each byte is a chunk of its own, with an extension, is a body."""
    body = b"".join(b"1;note=x\r\n%c\r\n" % byte for byte in MANIFEST) + b"0\r\n\r\n"
    server.fallback = lambda got: answer(200, body, Transfer_Encoding="chunked")
    assert await client.manifest(source(server), WANTED) == MANIFEST


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: %d\r\n" % len(MANIFEST), MANIFEST + b"\r\nmore that does not belong here"),
        (b"Content-Length: %d\r\n" % len(MANIFEST) * 3, MANIFEST),
        (b"Content-Length : %d\r\nX-Other\t: y\r\n" % len(MANIFEST), MANIFEST),
        (b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", chunked(MANIFEST)),
        (b"transfer-encoding: chunked\r\ncontent-length: 7\r\nContent-Length: 8\r\n", chunked(MANIFEST)),
    ],
    ids=["bytes after the body", "one length, repeated", "spaces before colons", "two ways", "two ways and lengths"],
)
@pytest.mark.parametrize("interim", [b"", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Soon\r\nLink: x\r\n\r\n"])
async def test_what_go_tolerates(client, server, head, body, interim):
    """Servers that were only tried with programs in Go."""
    server.fallback = lambda got: interim + HEADERS + head + b"\r\n" + (body if got.method == "GET" else b"")
    assert await client.manifest(source(server), WANTED) == MANIFEST
    assert await read(client, source(server)) == MANIFEST


@pytest.mark.parametrize(
    ("head", "next_bytes"),
    [
        (IN_CHUNKS, b"zz\r\n"),
        (IN_CHUNKS + b"a\r\n0123456789\r\n", b"zz\r\n"),
        (IN_CHUNKS + b"a\r\n0123456789", b"xx5\r\nabcde\r\n"),
        (IN_CHUNKS, b"ffffffffffffffffff\r\nabc"),
        (IN_CHUNKS + b"a\r\n0123456789\r\n0\r\n", b"\x00: x\r\n\r\n"),
    ],
)
async def test_a_body_that_goes_wrong_later(client, head, next_bytes):
    """It is an error at once, whatever has arrived before; no pull waits for ever."""

    async def serve(reader, writer):
        with contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head)
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.write(next_bytes)
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    where = Source(parse_reference(f"{address}/app:1"), (Host(f"http://{address}/v2"),))
    with pytest.raises(TransferError, match="it is not valid HTTP: "):
        async with asyncio.timeout(10):
            await read(client, where)
    server.close()


async def test_two_lengths(client, server):
    """What differs is refused: it may be an attack on what stands between."""
    head = b"Content-Length: %d\r\nContent-Length: 7\r\n\r\n" % len(MANIFEST)
    server.fallback = lambda got: HEADERS + head + MANIFEST
    with pytest.raises(RegistryUnavailableError, match="not valid HTTP"):
        await client.manifest(source(server), WANTED)
