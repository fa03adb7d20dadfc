"""Headers and bodies in pieces of any size, and the private parts of aiohttp on which this depends."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from aiohttp import BaseConnector, StreamReader, TCPConnector
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError

from containerd_client.distribution.registries.bounded_response import (
    LARGEST_LINE,
    MOST_HEADERS,
    BoundedResponseHandler,
    tolerated,
)
from containerd_client.distribution.registries.sessions import Sessions

BODY = (
    b'{\n"a" : 1,\n"b"\t: 2\r\n\r\nHTTP/1.1 200 OK\r\nX : y\r\n\r\ncontent-length: 7\r\ntransfer-encoding: x\r\n\r\n}'
)
LENGTH = b"%d" % len(BODY)
HEADS = {
    "plain": b"HTTP/1.1 200 OK\r\nContent-Length: " + LENGTH + b"\r\n\r\n",
    "spaces before colons": b"HTTP/1.1 200 OK\r\nContent-Length : " + LENGTH + b"\r\nX\t: y\r\n\r\n",
    "a repeated length": b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: " + LENGTH + b"\r\n") * 2 + b"\r\n",
    "two spaces, and another minor version": b"HTTP/1.2  200 O :K\r\nContent-Length: " + LENGTH + b"\r\n\r\n",
    "a space within a name": b"HTTP/1.1 200 OK\r\nX Y: z : z\r\nA B : c\r\nContent-Length: " + LENGTH + b"\r\n\r\n",
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length : " + LENGTH + b"\nContent-Length: " + LENGTH + b"\n\n",
    "an interim response": b"HTTP/1.1 103 Soon\r\nLink : x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
    + LENGTH
    + b"\r\n\r\n",
}
CHANGED = "aiohttp has changed what bounded_response.py depends on: "


class Transport(asyncio.Transport):
    """A connection of which only the end is of interest."""

    def __init__(self):
        super().__init__()
        self.ended = False

    def close(self):
        self.ended = True

    abort = close

    def is_closing(self):
        return self.ended


def connected(**options):
    """Return a connection that has sent a request."""
    handler = BoundedResponseHandler(asyncio.get_running_loop())
    handler.connection_made(Transport())
    handler.set_response_params(auto_decompress=False, **options)
    return handler


async def body_of(handler):
    async with asyncio.timeout(5):
        message, stream = await handler.read()
        while message.code < 200:
            message, stream = await handler.read()
        return await stream.read()


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
async def test_pieces_of_any_size(head):
    """Where packets begin decides neither whether headers are accepted nor what the body is."""
    answer = head + BODY
    for cut in range(1, len(answer)):
        handler = connected()
        handler.data_received(answer[:cut])
        handler.data_received(answer[cut:])
        assert await body_of(handler) == BODY, cut
    handler = connected()
    for byte in answer:
        handler.data_received(bytes([byte]))
    assert await body_of(handler) == BODY


async def test_an_empty_length_is_none():
    """The body ends with the connection."""
    handler = connected(read_until_eof=True)
    handler.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n" + BODY)
    handler.connection_lost(None)
    assert await body_of(handler) == BODY


async def test_not_http_is_an_error_at_once():
    """The daemon does not wait for the end of headers that will not come."""
    for text in (b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTQ", b"<html>"):
        handler = connected()
        handler.data_received(text)
        assert isinstance(handler.exception(), HttpProcessingError), text


async def test_headers_that_end_early():
    """A connection that is closed within them is an error as in the library."""
    handler = connected()
    handler.data_received(b"HTTP/1.1 200 OK\r\nContent-Le")
    handler.connection_lost(None)
    with pytest.raises(Exception, match=r"200|disconnected"):
        await handler.read()


async def test_many_small_pieces_of_headers():
    """Headers of some megabytes are read in time that grows with their size, not with its square."""
    handler = connected()
    handler.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")
    for number in range(MOST_HEADERS - 100):
        handler.data_received(b"X-%d: %b\r\n" % (number, b"x" * 500))
    handler.data_received(b"\r\nok")
    assert await body_of(handler) == b"ok"


async def test_too_many_headers():
    """They are refused without a look at each, which would take seconds."""
    head = b"HTTP/1.1 200 OK\r\n" + b"a :\n" * (MOST_HEADERS + 1)
    assert tolerated(head) is head
    handler = connected()
    handler.data_received(head + b"\n")
    assert isinstance(handler.exception(), HttpProcessingError)


async def test_the_library_uses_the_handler():
    """A session reads its responses with it; if not, a server could fill the memory of the node."""

    seen = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * (LARGEST_LINE // 2) + b"\r\nContent-Length: 2\r\n\r\n")
        await seen.wait()
        writer.write(b"ok")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    sessions = Sessions("test")
    try:
        session = await sessions.through(None)
        async with session.get(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as response:
            assert response.connection is not None
            protocol = response.connection.protocol
            assert isinstance(protocol, BoundedResponseHandler), CHANGED + "connectors ignore _factory"
            assert protocol._stream is response.content, CHANGED + "feed_data() does not get the message and its body"
            seen.set()
            assert await response.read() == b"ok"
            assert response.content.total_bytes == 2, CHANGED + "total_bytes does not count the body"
    finally:
        await sessions.close()
        server.close()


async def test_the_library_has_the_same_hooks():
    """The names that are overridden or set exist in the installed version."""
    connector = TCPConnector()
    assert isinstance(connector._factory(), ResponseHandler), CHANGED + "a connector has no _factory"
    await connector.close()
    assert "_factory" in inspect.getsource(BaseConnector), CHANGED + "_factory is not the base class's"
    limits = inspect.signature(ResponseHandler.set_response_params).parameters
    missing = {"skip_payload", "max_line_size", "max_field_size", "max_headers"} - set(limits)
    assert not missing, CHANGED + f"set_response_params() has no {missing}"
    for name in ("feed_data", "data_received", "set_exception", "connection_lost", "exception"):
        assert callable(getattr(ResponseHandler, name, None)), CHANGED + f"ResponseHandler has no {name}()"
    for name in ("is_eof", "exception", "set_exception"):
        assert callable(getattr(StreamReader, name, None)), CHANGED + f"StreamReader has no {name}()"
    own = {"_apart", "_head", "_count", "_stream", "_end", "_after_headers"} & set(dir(ResponseHandler))
    assert not own, CHANGED + f"ResponseHandler has its own {own}"
