"""The client of a stream against small servers: what it receives, and the sentence it ends with when it cannot."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from cri_shim.bench.endpoint import stream_peer
from cri_shim.bench.endpoint.stream_peer import receive
from cri_shim.streaming.spdy import Connection
from cri_shim.streaming.spdy.events import StreamOpened
from lab.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = 100_000
STREAMS = [{"streamtype": "error"}, {"streamtype": "stdout"}]
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n"


@contextlib.contextmanager
def served(answer: Callable[[socket.socket, bytes], object], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Address of a server that reads one request's head and then does ``answer``."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with tls.wrap_socket(connection, server_side=True) if tls else connection as talking:
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        head += talking.recv(1)
                    answer(talking, head)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            thread.join(15)


def accept_streams(connection: socket.socket) -> tuple[Connection, list[int]]:
    """Switch to SPDY and accept as many streams as the client opens."""
    connection.sendall(SWITCHED)
    codec = Connection()
    opened: list[int] = []
    while len(opened) < len(STREAMS):
        for event in codec.receive_data(connection.recv(65536)):
            if isinstance(event, StreamOpened):
                opened.append(event.stream_id)
                codec.accept(event.stream_id)
        connection.sendall(codec.data_to_send())
    return codec, opened


def stream(connection: socket.socket, head: bytes) -> None:
    """Do as a runtime does: accept both streams, then send the bytes; only for a path with its query."""
    assert head.startswith(b"POST /exec/token?a=1 HTTP/1.1\r\n")
    codec, opened = accept_streams(connection)
    for _ in range(SIZE // 10_000):
        codec.send_data(opened[-1], bytes(10_000))
        connection.sendall(codec.data_to_send())


def fail(connection: socket.socket, _: bytes) -> None:
    """Do as a runtime does that cannot start the program: the reason comes on the error stream, and no end."""
    codec, opened = accept_streams(connection)
    codec.send_data(opened[0], b"failed to find socat\x07")
    connection.sendall(codec.data_to_send())
    connection.recv(1)


def refuse(connection: socket.socket, _: bytes) -> None:
    """Do as a server does whose tokens expire."""
    connection.sendall(b"HTTP/1.1 404 Not\x1b[31m Found\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("scheme", ["http:", ""])
def test_bytes_are_counted(scheme):
    """From the first to the last; the path is sent as the URL has it. cri-dockerd's URLs have no scheme."""
    with served(stream) as address:
        received = receive(f"{scheme}//{address}/exec/token?a=1", "v4.channel.k8s.io", STREAMS, SIZE)
    assert received["first_byte_ms"] > 0
    assert received["rest_ms"] > 0


def test_tls_with_a_certificate_of_the_runtimes_own(tmp_path):
    """Runtimes that stream over TLS make a certificate that is signed by itself."""
    certificate, key = Authority.make(tmp_path).issue("runtime", alternative="")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with served(stream, context) as address:
        assert receive(f"https://{address}/exec/token?a=1", "v4.channel.k8s.io", STREAMS, SIZE)


def test_a_refusal_becomes_a_sentence():
    """With the server's own words, and none that a terminal would obey."""
    with served(refuse) as address, pytest.raises(SystemExit, match=r"did not switch to SPDY/3\.1") as ended:
        receive(f"http://{address}/exec/old", "v4.channel.k8s.io", STREAMS, SIZE)
    assert "404 Not" in str(ended.value)
    assert "\x1b" not in str(ended.value)


def test_what_the_error_stream_says_is_reported():
    """The connection stays open meanwhile, and no data will come."""
    with served(fail) as address, pytest.raises(SystemExit, match="the server says 'failed to find socat"):
        receive(f"http://{address}/exec/a", "v4.channel.k8s.io", STREAMS, SIZE)


def test_a_server_that_falls_silent_is_reported(monkeypatch):
    """Nothing is waited for without an end."""
    monkeypatch.setattr(stream_peer, "_SILENCE", 0.2)
    with served(lambda connection, _: connection.recv(1)) as address, pytest.raises(SystemExit, match="timed out"):
        receive(f"http://{address}/exec/a", "v4.channel.k8s.io", STREAMS, SIZE)


def test_a_stream_that_ends_early_becomes_a_sentence():
    """The server closes instead of answering."""
    with (
        served(lambda connection, _: connection.sendall(SWITCHED)) as address,
        pytest.raises(SystemExit, match=r"the stream ended|reset"),
    ):
        receive(f"http://{address}/exec/a", "v4.channel.k8s.io", STREAMS, SIZE)


@pytest.mark.parametrize("url", ["/exec/token", "ws://127.0.0.1:1/exec/token", "http:///exec/token", "http://[::1/x"])
def test_a_url_of_another_form_becomes_a_sentence(url):
    """A runtime may give a URL without a host, for a kubelet of its own."""
    with pytest.raises(SystemExit, match="URL"):
        receive(url, "v4.channel.k8s.io", STREAMS, SIZE)


def test_a_port_without_a_listener_becomes_a_sentence():
    """The URL is named."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SystemExit, match=rf"http://127\.0\.0\.1:{port}/exec/a: .*refused"):
        receive(f"http://127.0.0.1:{port}/exec/a", "v4.channel.k8s.io", STREAMS, SIZE)
