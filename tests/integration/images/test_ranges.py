"""Servers that ignore or refuse the range that was requested, or send another one."""

from __future__ import annotations

import pytest

from containerd_client.distribution.values.errors import CorruptBlobError
from tests.integration.images.raw_registry import BLOB, MANIFEST, read, source
from tests.integration.images.raw_server import answer, chunked


@pytest.mark.parametrize(
    "content_range",
    [
        "bytes 0-9/10",
        f"bytes 99-1000/{len(MANIFEST)}",
        "bytes 100-",
        "rubbish",
        "bytes 100-200/7",
        "bytes */10",
        "\udcff",
    ],
)
async def test_another_part_than_was_asked_for(client, server, content_range):
    """The whole is asked for instead, and the known part dropped."""
    server.answers[BLOB] = [answer(206, MANIFEST[:50], Content_Range=content_range), answer(200, MANIFEST)]
    assert await read(client, source(server), offset=100) == MANIFEST[100:]
    assert ["range" in one.headers for one in server.got] == [True, False]


REFUSED = [400, 403, 405, 416, 501]


@pytest.mark.parametrize("status", REFUSED)
async def test_a_range_that_is_refused(client, server, status):
    """The whole is asked for instead; what the server has beyond it is used."""
    server.answers[BLOB] = [answer(status), answer(200, MANIFEST)]
    assert await read(client, source(server), offset=100) == MANIFEST[100:]
    assert ["range" in one.headers for one in server.got] == [True, False]


@pytest.mark.parametrize("length", [True, False])
async def test_a_server_with_less_than_was_promised(client, server, length):
    """It answers 416, and has nothing more to send: the blob is not fetched from it again and again."""
    short = MANIFEST[:100]
    whole = answer(200, short) if length else answer(200, chunked(short), Transfer_Encoding="chunked")
    server.answers[BLOB] = [answer(416), whole]
    with pytest.raises(CorruptBlobError, match=r"fewer bytes|announces 100 bytes"):
        await read(client, source(server), offset=100)


async def test_a_part_in_a_part(client, server):
    """multipart/byteranges, without a length: its first bytes are not the blob's."""
    body = b"--x\r\nContent-Range: bytes 100-9/9\r\n\r\n" + MANIFEST[100:] + b"\r\n--x--"
    parts = answer(206, chunked(body), Transfer_Encoding="chunked", Content_Type="multipart/byteranges; boundary=x")
    server.answers[BLOB] = [parts, answer(200, MANIFEST)]
    assert await read(client, source(server), offset=100) == MANIFEST[100:]


@pytest.mark.parametrize("content_range", [f"bytes 100-9/{len(MANIFEST)}", "bytes 100-9999/*", None])
async def test_the_right_part(client, server, content_range):
    """What begins where it has to is taken, also where nothing is said."""
    headers = {} if content_range is None else {"Content_Range": content_range}
    server.answers[BLOB] = [answer(206, MANIFEST[100:], **headers)]
    assert await read(client, source(server), offset=100) == MANIFEST[100:]
