"""What leaves the instrument layer: sentences for errors that were not foreseen, and messages that may be sent."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.ledger.bill_text import HOPS_KEY, KEY
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.trace_policy import TracePolicy
from cri_shim.network.exec import Helper
from cri_shim.rpc import RPCS, Kind, Rpc
from cri_shim.server.current import Current
from cri_shim.server.instrument import MESSAGE_LIMIT, handlers
from cri_shim.sync.readiness import Readiness
from lab.cri_client import CriClient

PATIENCE = 20.0


class Node:
    """A server whose PullImage and StreamImages do what the test says."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.ledger = Ledger()
        self.work: Any = None
        self.messages: tuple[Any, ...] = ()

    async def pull(self, _service: Any, _request: Any) -> Any:
        """Do it."""
        return self.work()

    async def stream(self, _service: Any, _request: Any) -> Any:
        """Send the messages."""

        async def responses() -> Any:
            for message in self.messages:
                yield message

        return responses()


@pytest.fixture
async def node(tmp_path, monkeypatch):
    made = Node(f"unix://{tmp_path}/s")
    monkeypatch.setitem(RPCS, "PullImage", Rpc(made.pull, Kind.WAIT))
    monkeypatch.setitem(RPCS, "StreamImages", Rpc(made.stream, Kind.READ))
    readiness = Readiness()
    readiness.set_ready()
    service = SimpleNamespace(ledger=made.ledger, traces=TracePolicy(), readiness=readiness)
    server = grpc.aio.server(options=[("grpc.max_send_message_length", MESSAGE_LIMIT)])
    server.add_generic_rpc_handlers(handlers(Current(cast("Any", service))))
    server.add_insecure_port(made.endpoint)
    await server.start()
    yield made
    await server.stop(0)


async def failure(node: Node) -> tuple[str, str]:
    async with CriClient(node.endpoint, deadline=PATIENCE) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.PullImage()
        return caught.value.code().name, caught.value.details() or ""


def raising(error: Exception) -> Any:
    def work() -> None:
        raise error

    return work


def too_deep() -> None:
    too_deep()


UNFORESEEN = [
    (
        OSError(errno.ENOSPC, "No space left on device", "/var/lib/x/status"),
        "RESOURCE_EXHAUSTED",
        "/var/lib/x/status: no space left on device; free space",
    ),
    (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/x"), "RESOURCE_EXHAUSTED", "quota"),
    (OSError(errno.EROFS, os.strerror(errno.EROFS), b"/x"), "FAILED_PRECONDITION", "/x: read-only file system; mount"),
    (OSError(errno.EMFILE, os.strerror(errno.EMFILE), "/x"), "RESOURCE_EXHAUSTED", "LimitNOFILE"),
    (OSError(errno.ENFILE, os.strerror(errno.ENFILE)), "RESOURCE_EXHAUSTED", "fs.file-max"),
    (PermissionError(errno.EACCES, "Permission denied", "/x"), "FAILED_PRECONDITION", "/x: permission denied; check"),
    # A client would take NOT_FOUND and ALREADY_EXISTS for the pod that it asked about.
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "/x"), "FAILED_PRECONDITION", "/x: no such file"),
    (FileExistsError(errno.EEXIST, "File exists", "/a", None, "/b"), "FAILED_PRECONDITION", "/a and /b: file exists"),
    (OSError(errno.ENAMETOOLONG, "File name too long", "/" + "n" * 5000), "INVALID_ARGUMENT", "more characters"),
    (OSError(errno.ELOOP, os.strerror(errno.ELOOP), "/x"), "FAILED_PRECONDITION", "/x: too many levels of symbolic"),
    (
        OSError(errno.EIO, os.strerror(errno.EIO), 7),
        "INTERNAL",
        "file descriptor 7: input/output error; the underlying device",
    ),
    (OSError(9999, "Something new"), "INTERNAL", "Something new"),
    (TimeoutError(), "DEADLINE_EXCEEDED", "exceeded its time limit"),
    (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "UNAVAILABLE", "connection refused"),
    (MemoryError(), "RESOURCE_EXHAUSTED", "no memory left"),
]


@pytest.mark.parametrize(("error", "code", "words"), UNFORESEEN)
async def test_what_the_system_refuses_is_a_sentence(node: Node, error, code, words):
    """With the path, what was wrong and what to do; no traceback, and a code that cannot be misunderstood."""
    node.work = raising(error)
    status, said = await failure(node)
    assert status == code
    assert said.startswith("PullImage: ")
    assert words in said
    assert "unexpectedly" not in said


@pytest.mark.parametrize(
    ("work", "code", "words"),
    [
        (lambda: os.stat("/tmp/a\0b"), "INVALID_ARGUMENT", "NUL"),
        (raising(ValueError("embedded null byte")), "INVALID_ARGUMENT", "NUL"),  # Python 3.11's and 3.12's
        (raising(ValueError("stat: embedded null character in path")), "INVALID_ARGUMENT", "NUL"),  # 3.13's
        (lambda: os.lstat("/tmp/a\ud800b\ud800"), "INTERNAL", "has no UTF-8 form"),
        (b"\xff".decode, "INTERNAL", "byte 0 of 1 read is not utf-8"),
        (too_deep, "INVALID_ARGUMENT", "nested too deeply"),
        (lambda: int("9" * 5000), "INTERNAL", "more digits than can be read"),
        (lambda: cri.Image(size=1 << 64), "INTERNAL", "18446744073709551616"),
        (lambda: cri.Image(id="\ud800"), "INTERNAL", "has no UTF-8 form"),
    ],
)
async def test_texts_and_numbers_that_do_not_fit_are_sentences(node: Node, work, code, words):
    """They come from a request, an image or a file of the node."""
    node.work = work
    status, said = await failure(node)
    assert (status, words in said) == (code, True), said
    assert "unexpectedly" not in said


async def test_what_is_left_is_a_bug(node: Node):
    """A mistake of ours is called one."""
    node.work = raising(KeyError("x"))
    assert await failure(node) == ("INTERNAL", "PullImage failed unexpectedly: KeyError('x')")


async def test_an_answer_that_is_too_large_is_said_to_be(node: Node):
    """In a call and in a stream: with its size, the limit, and what to do."""
    large = cri.Image(id="x" * (MESSAGE_LIMIT + 1))
    node.work = lambda: cri.ImageStatusResponse(image=large)
    code, said = await failure(node)
    assert code == "RESOURCE_EXHAUSTED"
    assert said.startswith("the answer of PullImage has 16777")
    node.messages = (cri.StreamImagesResponse(images=[cri.Image(id="small")]), cri.StreamImagesResponse(images=[large]))
    async with CriClient(node.endpoint) as client:
        call = client.stream("StreamImages")
        assert (await call.read()).images[0].id == "small"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert "the answer of StreamImages has" in (caught.value.details() or "")


async def test_names_of_helpers_cannot_spoil_the_trailing_metadata(node: Node):
    """A CNI plugin may be called anything that a file may; the bill and the hops go along all the same."""

    def work() -> cri.PullImageResponse:
        for name in ("bridge", "é\ud800\n", "a b", "p" * 300, *("plugin-of-usual-length",) * 60):
            node.ledger.note_helper(Helper(name, "ADD", 0.0, 0.1, 0))
        return cri.PullImageResponse()

    node.work = work
    async with grpc.aio.insecure_channel(node.endpoint) as channel:
        pull: Any = channel.unary_unary("/runtime.v1.ImageService/PullImage")
        call = pull(b"", metadata=((HOPS_KEY, "1"),), timeout=PATIENCE)
        await call
        metadata = dict(await call.trailing_metadata())
    assert metadata[KEY].startswith("id=1 ")
    assert "bridge:ADD@" in metadata[HOPS_KEY]
    assert len(metadata[HOPS_KEY]) <= 3072
