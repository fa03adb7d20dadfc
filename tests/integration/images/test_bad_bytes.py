"""A registry, or something between, that sends what HTTP does not allow, or allows and no client expects."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import random
import zlib

import pytest

from containerd_client.distribution.registries.hosts import Host
from containerd_client.distribution.registries.registry import Source
from containerd_client.distribution.values.errors import (
    DistributionError,
    ManifestError,
    RegistryUnavailableError,
    TransferError,
)
from containerd_client.distribution.values.reference import parse_reference
from tests.integration.images.raw_registry import (
    BLOB,
    BY_DIGEST,
    DIGEST,
    LOGIN,
    MANIFEST,
    MEDIA_TYPE,
    TAG,
    WANTED,
    read,
    resolved,
    source,
    whole,
)
from tests.integration.images.raw_server import answer, chunked


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Long": "x" * 8190},
        {"X-Long": "x" * 500_000},
        {f"X-{n}": "y" for n in range(128)},
        {f"X-{n}": "y" for n in range(2000)},
        {"X-Bytes": "\udcff\udcfe ä"},
        {"Content-Type": "text/html; charset=\udcff"},
        {"Docker-Content-Digest": "sha256:nonsense"},
        {"Docker-Content-Digest": "x" * 100_000},
        {"Docker-Content-Digest": "sha256:" + "0" * 63},
        {"Docker-Content-Digest": "../../etc/passwd"},
        {"Set-Cookie": "a=\udcff; Expires=never; Max-Age=x"},
        {"Retry-After": "soon"},
    ],
)
async def test_headers(client, server, headers):
    """Long ones, many, with any bytes, and a digest that is none: the document itself is what counts."""
    headers = {"Content-Type": MEDIA_TYPE} | headers
    server.fallback = lambda got: answer(200, MANIFEST if got.method == "GET" else b"", **headers)
    assert await resolved(client, source(server)) == (DIGEST, len(MANIFEST))
    assert await client.manifest(source(server), WANTED) == MANIFEST
    assert await read(client, source(server)) == MANIFEST


async def test_headers_beyond_the_limit(client, server):
    """More than a mebibyte is refused in words of readable length."""
    server.fallback = lambda got: answer(200, MANIFEST, X_Long="x" * (3 << 20))
    with pytest.raises(RegistryUnavailableError, match=BY_DIGEST) as caught:
        await client.manifest(source(server), WANTED)
    assert len(str(caught.value)) < 2048


@pytest.mark.parametrize("encoding", ["br", "zstd", "charset=utf-8", "deflate", "gzip, gzip, gzip, gzip"])
@pytest.mark.parametrize("lengths", [True, False])
async def test_an_encoding_that_is_not_there(client, server, encoding, lengths):
    """What a wrong header says does not matter where the bytes are the right ones."""
    headers = {"Content-Type": MEDIA_TYPE, "Content-Encoding": encoding}
    if lengths:
        server.fallback = lambda got: answer(200, MANIFEST if got.method == "GET" else b"", **headers)
    else:
        server.fallback = lambda got: answer(200, chunked(MANIFEST), Transfer_Encoding="chunked", **headers)
    assert (await client.resolve(source(server))).digest == DIGEST
    assert await client.manifest(source(server), WANTED) == MANIFEST
    assert await read(client, source(server)) == MANIFEST


async def test_an_empty_manifest(client, server):
    """It is not looked for under the digest of nothing."""
    server.fallback = lambda got: answer(200, b"", Content_Type=MEDIA_TYPE)
    with pytest.raises(ManifestError, match="empty manifest"):
        await client.resolve(source(server))


ENCODED = {
    "gzip": gzip.compress(MANIFEST),
    "x-gzip": gzip.compress(MANIFEST),
    "deflate": zlib.compress(MANIFEST),
    "deflate, gzip": gzip.compress(zlib.compress(MANIFEST)),
    "identity": MANIFEST,
    "aws-chunked": MANIFEST,
    "GZIP": MANIFEST,  # which is not true
}


@pytest.mark.parametrize("lengths", [True, False])
@pytest.mark.parametrize("encoding", ENCODED)
async def test_compressed_on_the_way(client, server, encoding, lengths):
    """Manifests and blobs of a proxy that compresses; a HEAD's length is not the document's."""
    data = ENCODED[encoding]

    def compress(got):
        headers = {"Content-Type": MEDIA_TYPE, "Docker-Content-Digest": DIGEST, "Content-Encoding": encoding}
        if got.method == "HEAD":
            return answer(200, b"", Content_Length=str(len(data)), **headers)
        if lengths:
            return answer(200, data, **headers)
        return answer(200, chunked(data[:10], data[10:]), Transfer_Encoding="chunked", **headers)

    server.fallback = compress
    assert await resolved(client, source(server)) == (DIGEST, len(MANIFEST))
    assert await client.manifest(source(server), WANTED) == MANIFEST
    assert await read(client, source(server)) == MANIFEST
    assert await read(client, source(server), offset=100) == MANIFEST[100:]
    assert all(one.headers["accept-encoding"] == "identity" for one in server.got)


async def test_compression_that_breaks_off(client, server):
    """It is a broken connection: what came is kept, and the rest asked for."""
    data = gzip.compress(os.urandom(50_000))
    for bad in (data[:-100], data[:-8] + bytes(8)):
        server.answers[BLOB] = [answer(200, bad, Content_Encoding="gzip")]
        with pytest.raises(TransferError, match=r"gzip encoding (ends early|is damaged)"):
            await read(client, source(server))


@pytest.mark.parametrize("status", [201, 203, 206, 299])
async def test_other_words_for_success(client, server, status):
    """203 is what a proxy says that has changed something; the digest says what."""
    server.fallback = lambda got: answer(status, MANIFEST if got.method == "GET" else b"", Content_Type=MEDIA_TYPE)
    assert await resolved(client, source(server)) == (DIGEST, len(MANIFEST))
    assert await read(client, source(server)) == MANIFEST


async def test_headers_of_hosts_toml_are_secrets(client, server):
    """A server that repeats what it was sent does not bring them into an error."""
    server.fallback = lambda got: answer(418, str(got.headers).encode())
    host = Host(f"{server.url}/v2", headers=(("X-Key", "ganz geheim"),))
    with pytest.raises(RegistryUnavailableError, match="418") as caught:
        await client.manifest(Source(parse_reference("q.io/app:1"), (host,)), WANTED)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, br", "\udcff", "x" * 5000])
async def test_encodings_that_cannot_be_undone(client, server, encoding):
    """They are named."""
    server.fallback = lambda got: answer(200, b"\x00\x01", Content_Encoding=encoding)
    with pytest.raises(RegistryUnavailableError, match="was not requested and is not supported") as caught:
        await client.manifest(source(server), WANTED)
    str(caught.value).encode()
    with pytest.raises(RegistryUnavailableError, match="is not supported"):
        await read(client, source(server))


async def test_a_bomb(client, server):
    """A few kilobytes that grow to half a gigabyte are refused at the limit of a document, or of the blob."""
    bomb = gzip.compress(gzip.compress(bytes(256 << 20), 1))
    assert len(bomb) < 100_000
    server.fallback = lambda got: answer(200, bomb, Content_Encoding="gzip, gzip")
    with pytest.raises(ManifestError, match="too many for a manifest"):
        await client.manifest(source(server), WANTED)
    size = 0
    async with client.blob(source(server), WANTED) as body:
        async for chunk in body.chunks:
            size += len(chunk)
            if size > WANTED.size:
                break
    assert size < 1 << 20


TLS_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 100,
        b"HTTP/1.1",
        b"HTTP/1.1 \r\n\r\n",
        b"HTTP/1.1 99999999999999999999 No\r\n\r\n",
        b"HTTP/9.9 200 Some\r\nContent-Length: 3\r\n\r\nabc",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        TLS_ALERT,
        b"HTTP/1.1 200 Some\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 Some\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 Some\r\nContent-Length: 1e3\r\n\r\n",
        b"HTTP/1.1 200 Some\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 Some\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 Some\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 Some\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 Some\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 Some\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
        b"HTTP/1.1 200 Some\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        b"HTTP/1.1 200 Some\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00",
        b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 Some\r\nno colon here\r\n\r\nabc",
        b"HTTP/1.1 200 Some\r\n\x00: x\r\n\r\nabc",
        b"HTTP/1.1 200 Some\r\nX: a\x00b\r\n\r\nabc",
        b"HTTP/1.1 200 Some\nX: y\n\nabc",
        b"HTTP/1.1 302 Some\r\nLocation: http://\xff\xfe/\r\n\r\n",
        b"HTTP/1.1 302 Some\r\nLocation: \x01\r\n\r\n",
        b'HTTP/1.1 401 Some\r\nWWW-Authenticate: Bearer realm="\xff"\r\nContent-Length: 0\r\n\r\n',
        b"HTTP/1.1 503 Some\r\nRetry-After: " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Some\r\nRetry-After: Fri, 31 Dec 99999999999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Some\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 +99999999999999\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
        b"HTTP/1.1 204 None\r\n\r\n",
        b"HTTP/1.1 418 Some\r\nContent-Length: 6\r\n\r\n\xff\x00\x1b[2J",
        b"HTTP/1.1 418 Some\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\n\xff\x00\x1b[2J",
        b"HTTP/1.1 418 Some\r\nContent-Length: 3000000\r\n\r\n" + b"\xed\xa0\x80" * 1_000_000,
    ],
)
async def test_rubbish(client, server, data):
    """Whatever comes: an error of this package, that can be sent and is not endless; never anything else."""
    server.fallback = lambda got: data
    where = source(server, LOGIN)
    for ask in (client.manifest(where, WANTED), whole(client, where), client.small_blob(where, WANTED)):
        with pytest.raises(DistributionError) as caught:
            async with asyncio.timeout(10):
                await ask
        text = str(caught.value)
        text.encode()
        assert len(text) < 4096
        assert "\x1b" not in text
    with contextlib.suppress(DistributionError):  # any body may be what a tag stands for
        await client.resolve(where)


async def test_bytes_at_random(client, server):
    """An answer of which a few bytes are others."""
    rng = random.Random(7)
    good = answer(200, MANIFEST, Content_Type=MEDIA_TYPE, Docker_Content_Digest=DIGEST)
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            bad[rng.randrange(len(bad) - 900)] = rng.randrange(256)
        server.fallback = lambda got, data=bytes(bad): data
        try:
            async with asyncio.timeout(10):
                assert await client.manifest(source(server), WANTED) == MANIFEST
        except DistributionError as error:
            str(error).encode()


async def test_a_connection_that_is_reset(client):
    """RST in the middle of a body is an error that may be tried again, and keeps what came before."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(200, MANIFEST)[:-500])
        await writer.drain()
        await asyncio.sleep(0.05)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SO_LINGER: no time
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    where = Source(parse_reference(f"127.0.0.1:{port}/app:1"), (Host(f"http://127.0.0.1:{port}/v2"),))
    came = b""
    with pytest.raises(TransferError):
        async with client.blob(where, WANTED) as body:
            async for chunk in body.chunks:
                came += chunk
    assert MANIFEST.startswith(came)
    server.close()


@pytest.mark.parametrize("data", [b"", os.urandom(1000), answer(400, b"speak plainly"), TLS_ALERT])
async def test_something_that_does_not_speak_tls(client, data):
    """Plain HTTP, or rubbish, where TLS was expected."""

    async def serve(reader, writer):
        writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    where = Source(parse_reference("r.io/app:1"), (Host(f"https://127.0.0.1:{port}/v2"),))
    with pytest.raises(RegistryUnavailableError, match=rf"https://127\.0\.0\.1:{port}"):
        await client.resolve(where)
    server.close()


async def test_something_that_is_silent_in_the_handshake(client):
    """TLS has the time of a connection, and no more."""

    async def serve(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    host = Host(f"https://127.0.0.1:{port}/v2", dial_timeout=0.3)
    with pytest.raises(RegistryUnavailableError, match="in time"):
        async with asyncio.timeout(5):
            await client.resolve(Source(parse_reference("r.io/app:1"), (host,)))
    server.close()


@pytest.mark.parametrize("status", [200, 401, 404, 405, 500])
async def test_a_head_that_is_answered_with_a_body(client, server, status):
    """It may not have one, and Go's client does not look; what GET says counts."""
    body = MANIFEST if status == 200 else b'{"errors":[]}'
    head = f"HTTP/1.1 {status} Some\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    server.answers = {TAG: [head.encode() + body, answer(200, MANIFEST)]}
    assert (await client.resolve(source(server))).digest == DIGEST
    assert [one.method for one in server.got] == ["HEAD", "GET"]


async def test_an_answer_that_is_not_http_is_said_in_a_sentence(client, server):
    """Without the library's own numbers and names of classes."""
    server.fallback = lambda got: b"SSH-2.0-OpenSSH\r\n"
    with pytest.raises(RegistryUnavailableError, match=r"the answer is not valid HTTP: .*SSH-2") as caught:
        await client.resolve(source(server))
    assert "\n" not in str(caught.value)
    assert "400" not in str(caught.value)


async def test_nothing_listens(client, server):
    """The text names the address once and says what the system says."""
    where = source(server)
    await server.__aexit__()
    with pytest.raises(RegistryUnavailableError, match=r"manifests/1: cannot connect: connection refused$"):
        await client.resolve(where)
