"""Every error text reaches the client: through the real instrument layer, a real gRPC server and a real client.

Today's gRPC answers nothing at all when a status has no UTF-8 form, and headers that are too long end the call with an
error of the client's own.
"""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InternalError
from cri_shim.ledger.bill_text import KEY
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.trace_policy import TracePolicy
from cri_shim.rpc import RPCS, Kind, Rpc
from cri_shim.server.current import Current
from cri_shim.server.instrument import handlers
from cri_shim.status_text import LONGEST
from cri_shim.sync.readiness import Readiness
from lab.cri_client import CriClient
from tests.hostile.inputs import Input, every

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cri_shim.service import Service

PATIENCE = 20.0  # seconds; a call that is never answered ends with its deadline, and the test fails


class Node:
    """A server whose calls fail with ``error``, in a list and in the middle of a stream."""

    def __init__(self) -> None:
        self.error: Exception = InternalError("")
        self.ledger = Ledger()

    async def fail(self, _service: Any, _request: Any) -> Any:
        """Fail at once."""
        raise self.error

    async def fail_later(self, _service: Any, _request: Any) -> Any:
        """Fail after one message."""

        async def responses() -> AsyncIterator[Any]:
            yield cri.StreamImagesResponse()
            raise self.error

        return responses()


@pytest.fixture
async def node(tmp_path, monkeypatch) -> AsyncIterator[tuple[Node, CriClient]]:
    made = Node()
    monkeypatch.setitem(RPCS, "PullImage", Rpc(made.fail, Kind.WAIT))
    monkeypatch.setitem(RPCS, "StreamImages", Rpc(made.fail_later, Kind.READ))
    readiness = Readiness()
    readiness.set_ready()
    service = SimpleNamespace(ledger=made.ledger, traces=TracePolicy(), readiness=readiness)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(handlers(Current(cast("Service", service))))
    server.add_insecure_port(f"unix://{tmp_path}/s")
    await server.start()
    async with CriClient(f"unix://{tmp_path}/s", deadline=PATIENCE) as client:
        yield made, client
    await server.stop(0)


async def failure(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(PATIENCE):
            if hasattr(call, "__aiter__"):
                async for _ in call:
                    pass
            else:
                await call
    return caught.value


def check(given: Input, said: str) -> None:
    """Hold a text to the bounds and to what the input's file expects."""
    assert len(quote(said, safe="".join(map(chr, range(0x20, 0x7F))).replace("%", ""))) <= LONGEST
    assert given.expectation.get("said", said) == said
    assert said.startswith(given.expectation.get("begins", ""))
    assert said.endswith(given.expectation.get("ends", ""))
    assert given.expectation.get("part", "") in said


@every("error-text")
async def test_an_error_is_answered_whatever_its_text(node, given: Input):
    """With its code and its bill, in a call and in a stream; the record of it is kept."""
    made, client = node
    made.error = InternalError(json.loads(given.data))
    error = await failure(client.PullImage(image=cri.ImageSpec(image="a\x01b")))
    assert error.code() is grpc.StatusCode.INTERNAL
    check(given, error.details() or "")
    assert KEY in dict(error.trailing_metadata() or ())
    streamed = await failure(client.stream("StreamImages"))
    assert (streamed.code(), streamed.details()) == (error.code(), error.details())
    assert [(one.method, one.code) for one in made.ledger.newest()] == [
        ("PullImage", "INTERNAL"),
        ("StreamImages", "INTERNAL"),
    ]
    assert made.ledger.newest()[0].request().error == error.details()


@every("error-text")
async def test_an_error_that_was_not_foreseen_is_answered_too(node, given: Input):
    """Its text is not ours, so it may hold anything."""
    made, client = node
    made.error = RuntimeError(json.loads(given.data))
    error = await failure(client.PullImage())
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "PullImage failed unexpectedly: RuntimeError" in (error.details() or "")
