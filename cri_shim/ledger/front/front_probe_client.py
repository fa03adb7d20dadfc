"""Call the daemon over its own socket, as any other process does: ``python front_probe_client.py SOCKET GAP...``.

This is a program of its own, run with ``-I -S``: inside the daemon's process it would share the interpreter's lock and
the memory of the server that it measures, and find both warm (docs/adr/0035). It does not use gRPC. It writes HTTP/2 by
hand: the bytes of each request are the same except for the stream's number, and of an answer only the end matters
(RFC 9113).

After each GAP (seconds) of quiet it makes one call. At its end it prints a line for each call: when the call began and
when the answer was read, both in seconds of ``time.perf_counter``, which all processes share.
"""

from __future__ import annotations

import socket
import sys
import time

SERVICE = "cri_shim.probe.v1.Probe"
METHOD = "Echo"
PATIENCE = 1.0
"""Seconds for which the program waits for an answer."""
WARM_UP = 2
"""How many calls at the start do not count, because connection and program are new."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_HEAD = 9  # bytes before the payload of a frame
_READ = 1 << 16
_EMPTY_MESSAGE = bytes(5)


class Connection:
    """One connection to the socket at ``path``; raises OSError when it cannot be made or breaks."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(path)
        self._socket.sendall(_PREFACE + frame(_SETTINGS, 0, 0, b""))
        self._received = b""
        self._stream = -1

    def call(self) -> tuple[float, float]:
        """Make one call; return when it began, and when the whole answer was read."""
        began = time.perf_counter()
        self._stream += 2
        request = frame(_HEADERS, _END_HEADERS, self._stream, HEADER_FIELDS)
        request += frame(_DATA, _END_STREAM, self._stream, _EMPTY_MESSAGE)
        self._socket.sendall(request)
        while True:
            received = self._socket.recv(_READ)
            if not received:
                raise ConnectionResetError("the daemon has closed the connection")
            self._received += received
            if self._handle_frames():
                return began, time.perf_counter()

    def _handle_frames(self) -> bool:
        """Handle the complete frames; return whether the answer ended with one of them."""
        ended = False
        while len(self._received) >= _HEAD:
            length = int.from_bytes(self._received[:3], "big")
            if len(self._received) < _HEAD + length:
                break
            kind, flags = self._received[3:5]
            stream = int.from_bytes(self._received[5:_HEAD], "big")
            payload = self._received[_HEAD : _HEAD + length]
            self._received = self._received[_HEAD + length :]
            if kind in (_SETTINGS, _PING) and not flags & _ACK:
                self._socket.sendall(frame(kind, _ACK, 0, payload if kind == _PING else b""))
            elif kind in (_RST_STREAM, _GOAWAY):
                raise ConnectionResetError("the daemon has refused the call")
            elif stream == self._stream and kind in (_HEADERS, _DATA) and flags & _END_STREAM:
                ended = True
        return ended


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def header_fields() -> bytes:
    """Return the header fields of a request; none enters the table of either side, so they are always the same."""

    def text(value: str) -> bytes:
        return bytes((len(value),)) + value.encode()

    post, http, path, authority, content_type, new_name = b"\x83", b"\x86", b"\x04", b"\x01", b"\x0f\x10", b"\x00"
    return (
        post
        + http
        + path
        + text(f"/{SERVICE}/{METHOD}")
        + authority
        + text("localhost")
        + new_name
        + text("te")
        + text("trailers")
        + content_type
        + text("application/grpc")
    )


HEADER_FIELDS = header_fields()


def main(path: str, gaps: list[float]) -> None:
    """Make the calls and print them."""
    connection = Connection(path)
    calls = []
    for gap in [0.0] * WARM_UP + gaps:
        if gap:
            time.sleep(gap)
        calls.append(connection.call())
    for call in calls[WARM_UP:]:
        sys.stdout.write(" ".join(map(repr, call)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], [float(gap) for gap in sys.argv[2:]])
