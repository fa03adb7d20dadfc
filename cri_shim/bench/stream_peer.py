"""Receive a stream as a kubelet's client would, over SPDY, and tell how long it took: a program of its own.

    python -m cri_shim.bench.stream_peer '{"url": …, "protocol": …, "streams": [headers, …], "size": bytes}'

After the first bytes of data it only counts what comes, frames included: decoding here would be what is measured.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from typing import Any
from urllib.parse import urlsplit

from cri_shim.streaming.spdy import Connection
from cri_shim.streaming.spdy.events import DataReceived, StreamAccepted

_PIECE = 1 << 18


def receive(url: str, protocol: str, streams: list[dict[str, str]], size: int) -> dict[str, float]:
    """Connect, open the streams, count ``size`` bytes.

    ``first_byte_ms`` counts from the connection to the first data, ``rest_ms`` from there to the last byte. Raises
    SystemExit with the reason when the server does not play along.
    """
    where = urlsplit(url)
    began = time.perf_counter()
    with socket.create_connection((where.hostname, where.port)) as connection:
        _upgrade(connection, where.path, protocol)
        codec = Connection(client=True)
        received = 0
        for headers in streams:
            codec.open_stream(headers)
            connection.sendall(codec.data_to_send())
            if headers is not streams[-1]:
                _read_until(connection, codec, StreamAccepted)
        received += _read_until(connection, codec, DataReceived)
        first = time.perf_counter()
        buffer = bytearray(_PIECE)
        while received < size:
            count = connection.recv_into(buffer)
            if not count:
                raise SystemExit(f"ended after {received} of {size} bytes")
            received += count
        return {"first_byte_ms": (first - began) * 1000, "rest_ms": (time.perf_counter() - first) * 1000}


def _upgrade(connection: socket.socket, path: str, protocol: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    connection.sendall(f"{head}X-Stream-Protocol-Version: {protocol}\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        # Byte by byte: what follows the head belongs to the codec, and there is little of it.
        piece = connection.recv(1)
        if not piece:
            break
        answer += piece
    if b" 101 " not in answer.split(b"\r\n", 1)[0]:
        raise SystemExit(f"not upgraded: {answer!r}")


def _read_until(connection: socket.socket, codec: Connection, wanted: type[Any]) -> int:
    """Read until there is an event of a kind; how many bytes came with it."""
    while True:
        piece = connection.recv(_PIECE)
        if not piece:
            raise SystemExit(f"ended before a {wanted.__name__}")
        if any(isinstance(event, wanted) for event in codec.receive_data(piece)):
            return len(piece)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(receive(**json.loads(sys.argv[1]))))
