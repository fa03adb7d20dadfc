"""Receive a stream as a kubelet's client would, over SPDY, and report how long it took: a program of its own.

    python -m cri_shim.bench.endpoint.stream_peer '{"url": …, "protocol": …, "streams": [headers, …], "size": bytes}'

After the first bytes of data it only counts what arrives, frames included, because decoding it would be measured too.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from cri_shim.streaming.spdy import Connection, RemoteProtocolError
from cri_shim.streaming.spdy.events import DataReceived, StreamAccepted, StreamReset
from untrusted import escaped

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_PIECE = 1 << 18
_LONGEST_HEAD = 1 << 16
_SHOWN = 400
_SILENCE = 60.0
"""How many seconds without a byte end the wait."""
_PORTS = {"http": 80, "https": 443}


def receive(url: str, protocol: str, streams: list[dict[str, str]], size: int) -> dict[str, float]:
    """Connect, open the streams, count ``size`` bytes.

    ``first_byte_ms`` counts from the connection to the first data, ``rest_ms`` from there to the last byte. Raises
    SystemExit with the reason when the server breaks the protocol or ends the stream early.
    """
    try:
        return _receive(url, protocol, streams, size)
    except (OSError, RemoteProtocolError, ValueError) as error:
        raise SystemExit(f"{escaped(url)}: {error}") from error


def _receive(url: str, protocol: str, streams: list[dict[str, str]], size: int) -> dict[str, float]:
    where = urlsplit(url, scheme="http")  # cri-dockerd omits the scheme, and kubelets read that as http
    began = time.perf_counter()
    with _connect(where) as connection:
        _upgrade(connection, where, protocol)
        codec = Connection(client=True)
        received = 0
        for headers in streams:
            stream = codec.open_stream(headers)
            connection.sendall(codec.data_to_send())
            if headers is not streams[-1]:
                _read_until(connection, codec, StreamAccepted, stream)
        received += _read_until(connection, codec, DataReceived, stream)
        first = time.perf_counter()
        buffer = bytearray(_PIECE)
        while received < size:
            count = connection.recv_into(buffer)
            if not count:
                raise SystemExit(f"the stream ended after {received} of {size} bytes")
            received += count
        return {"first_byte_ms": (first - began) * 1000, "rest_ms": (time.perf_counter() - first) * 1000}


def _connect(where: SplitResult) -> socket.socket:
    """Connect to where a runtime says that it streams. Its certificate is its own, so there is nothing to check."""
    if where.scheme not in _PORTS or not where.hostname:
        raise ValueError("a URL of http or https with a host was expected")
    connection = socket.create_connection((where.hostname, where.port or _PORTS[where.scheme]), _SILENCE)
    if where.scheme == "http":
        return connection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=where.hostname)


def _upgrade(connection: socket.socket, where: SplitResult, protocol: str) -> None:
    path = urlunsplit(("", "", where.path, where.query, ""))
    head = f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    connection.sendall(f"{head}X-Stream-Protocol-Version: {protocol}\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        # Byte by byte: what follows the head belongs to the codec, and the head is short.
        piece = connection.recv(1)
        if not piece or len(answer) > _LONGEST_HEAD:
            break
        answer += piece
    status = answer.split(b"\r\n", 1)[0].decode(errors="replace")
    if " 101 " not in status:
        raise SystemExit(f"the server did not switch to SPDY/3.1: '{escaped(status)}'")


def _read_until(connection: socket.socket, codec: Connection, wanted: type[Any], stream: int) -> int:
    """Read until a stream has an event of the given kind; return how many bytes came with it."""
    while True:
        piece = connection.recv(_PIECE)
        if not piece:
            raise SystemExit(f"the stream ended before a {wanted.__name__}")
        for event in codec.receive_data(piece):
            if isinstance(event, DataReceived) and event.stream_id != stream:
                # Data on another stream before that, namely the error stream, says why none will come.
                raise SystemExit(f"the server says '{escaped(bytes(event.data).decode(errors='replace'), _SHOWN)}'")
            if isinstance(event, StreamReset):
                raise SystemExit(f"the server reset a stream before a {wanted.__name__}")
            if isinstance(event, wanted) and event.stream_id == stream:
                return len(piece)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(receive(**json.loads(sys.argv[1]))))
