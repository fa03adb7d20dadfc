"""Calls are read out of the bytes that a tap has noted, whatever pieces they came in."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest
from hpack import Encoder

from lab.pod_starts.tap import Tap
from lab.pod_starts.tapped_calls import Call, Chunk, calls

if TYPE_CHECKING:
    from pathlib import Path

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, DATA, CONTINUATION, RESET = 1, 0, 9, 3
END_STREAM, END_HEADERS = 1, 4
GET, START = "containerd.services.images.v1.Images/Get", "containerd.services.tasks.v1.Tasks/Start"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame of HTTP/2."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


class Connection:
    """A client and a server with their tables of header fields."""

    def __init__(self) -> None:
        self.client, self.server = Encoder(), Encoder()

    def asks(self, stream: int, path: str, *, pieces: int = 1) -> bytes:
        """A request, its header fields in so many frames."""
        block = self.client.encode([(":method", "POST"), (":path", f"/{path}"), ("te", "trailers")])
        size = -(-len(block) // pieces)
        parts = [block[at : at + size] for at in range(0, len(block), size)]
        kinds = [HEADERS, *[CONTINUATION] * (len(parts) - 1)]
        frames = [
            frame(kind, END_HEADERS if part is parts[-1] else 0, stream, part)
            for kind, part in zip(kinds, parts, strict=True)
        ]
        return b"".join(frames) + frame(DATA, END_STREAM, stream, b"\0\0\0\0\0")

    def answers(self, stream: int) -> bytes:
        """Headers, a message, and trailers."""
        head = frame(HEADERS, END_HEADERS, stream, self.server.encode([(":status", "200")]))
        trailers = self.server.encode([("grpc-status", "0")])
        return head + frame(DATA, 0, stream, b"\0\0\0\0\0") + frame(HEADERS, END_HEADERS | END_STREAM, stream, trailers)


def test_two_calls_at_once_end_when_their_trailers_come():
    """The first one that was asked is answered last; the same path is an index the second time."""
    one = Connection()
    read = calls(
        [
            Chunk(0, True, 10, PREFACE + frame(4, 0, 0, b"") + one.asks(1, GET)),
            Chunk(0, True, 20, one.asks(3, START)),
            Chunk(0, False, 30, one.answers(3)),
            Chunk(0, False, 50, one.answers(1)),
            Chunk(0, True, 60, one.asks(5, GET)),
            Chunk(0, False, 70, one.answers(5)),
        ]
    )
    assert read == [Call(GET, 10, 50), Call(START, 20, 30), Call(GET, 60, 70)]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_pieces_of_any_size(size):
    """A frame may come in many pieces; the call begins with the piece that completes its header fields."""
    one = Connection()
    out, back = PREFACE + one.asks(1, GET, pieces=3), one.answers(1)
    chunks = [Chunk(0, True, 100 + at, out[at : at + size]) for at in range(0, len(out), size)]
    chunks += [Chunk(0, False, 9000 + at, back[at : at + size]) for at in range(0, len(back), size)]
    (call,) = calls(chunks)
    assert call.what == GET
    assert call.ended == 9000 + (len(back) - 1) // size * size


def test_a_call_that_is_not_answered_is_not_in_the_list():
    """A stream of events goes on for as long as both live; one that was reset has ended."""
    one = Connection()
    chunks = [
        Chunk(0, True, 1, PREFACE + one.asks(1, "containerd.services.events.v1.Events/Subscribe")),
        Chunk(0, True, 2, one.asks(3, GET)),
        Chunk(0, False, 3, frame(RESET, 0, 3, b"\0\0\0\0")),
    ]
    assert calls(chunks) == [Call(GET, 2, 3)]


def test_connections_have_tables_of_their_own():
    """What one connection has indexed means nothing on another."""
    one, two = Connection(), Connection()
    chunks = [
        Chunk(0, True, 1, PREFACE + one.asks(1, GET)),
        Chunk(1, True, 2, PREFACE + two.asks(1, START)),
        Chunk(1, False, 3, two.answers(1)),
        Chunk(0, False, 4, one.answers(1)),
    ]
    assert calls(chunks) == [Call(GET, 1, 4), Call(START, 2, 3)]


def test_dockers_api_without_versions_and_ids():
    """Requests of one connection come one after another, and an answer may come in pieces."""
    container = "ab" * 32
    chunks = [
        Chunk(0, True, 1, b"POST /v1.41/containers/create?name=k8s HTTP/1.1\r\nHost: docker\r\n\r\n{"),
        Chunk(0, True, 2, b"}"),
        Chunk(0, False, 5, b"HTTP/1.1 201 Created\r\n\r\n"),
        Chunk(0, False, 6, b"{}"),
        Chunk(0, True, 8, f"POST /v1.41/containers/{container}/start HTTP/1.1\r\n\r\n".encode()),
        Chunk(0, False, 9, b"HTTP/1.1 204 No Content\r\n\r\n"),
        Chunk(0, True, 11, b"GET /v1.41/info HTTP/1.1\r\n\r\n"),
    ]
    assert calls(chunks) == [Call("POST /containers/create", 1, 6), Call("POST /containers/ID/start", 8, 9)]


def test_a_tap_copies_both_ways_and_notes_when(tmp_path: Path):
    """The client notices nothing of it, and its end reaches the server."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "server"))
    server.listen()
    received = []

    def serve() -> None:
        connection, _ = server.accept()
        while data := connection.recv(100):
            received.append(data)
            connection.sendall(data.upper())
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    tap = Tap("tap", str(tmp_path / "tap"), str(tmp_path / "server"))
    tap.listen()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(tmp_path / "tap"))
        client.sendall(b"ask")
        assert client.recv(100) == b"ASK"
    thread.join(20)
    assert not thread.is_alive()
    server.close()
    assert received == [b"ask"]
    (asked, answered) = tap.chunks
    assert (asked[:2], asked[3]) == ((0, "out"), b"ask")
    assert (answered[:2], answered[3]) == ((0, "in"), b"ASK")
    assert asked[2] < answered[2]
