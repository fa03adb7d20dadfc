"""A gRPC server on a unix socket that does what the method's name says, and remembers what it was sent."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from cri_shim.ledger.bill_text import KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    Context = grpc.aio.ServicerContext[bytes, bytes]
    Handler = grpc.RpcMethodHandler[bytes, bytes]

BILL = "id=7 wall=1200 front=300"
FAILURE = "pod 'grün' is not there: 100 %"
_MAX = [("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 16 << 20)]


@dataclass
class FakeEndpoint:
    """The address, and the metadata of every call that came in."""

    address: str
    server: grpc.aio.Server
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)

    def service(self, details: grpc.HandlerCallDetails) -> Handler | None:
        """Find what does it; there is no method but Echo, Fail, Late and Grow."""
        does = {"Echo": self._echo, "Fail": self._fail, "Late": self._late, "Grow": self._grow}
        done = does.get(str(details.method).rpartition("/")[2])
        return None if done is None else grpc.unary_unary_rpc_method_handler(done)

    async def _echo(self, request: bytes, context: Context) -> bytes:
        self.metadata.append(dict(context.invocation_metadata() or ()))
        context.set_trailing_metadata(((KEY, BILL), ("x-other", "not wanted")))
        return request

    async def _fail(self, _request: bytes, context: Context) -> bytes:
        context.set_trailing_metadata(((KEY, BILL),))
        await context.abort(grpc.StatusCode.NOT_FOUND, FAILURE)

    async def _late(self, request: bytes, _context: Context) -> bytes:
        """Answer after so many seconds."""
        await asyncio.sleep(float(request))
        return request

    async def _grow(self, request: bytes, _context: Context) -> bytes:
        """Answer with so many bytes."""
        return bytes(int(request))


class _Any(grpc.GenericRpcHandler):
    def __init__(self, endpoint: FakeEndpoint) -> None:
        self._endpoint = endpoint

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler | None:
        return self._endpoint.service(handler_call_details)


@contextlib.asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[FakeEndpoint]:
    """Serve until the block ends."""
    server = grpc.aio.server(options=_MAX)
    endpoint = FakeEndpoint(f"unix://{directory}/endpoint.sock", server)
    server.add_generic_rpc_handlers((_Any(endpoint),))
    server.add_insecure_port(endpoint.address)
    await server.start()
    try:
        yield endpoint
    finally:
        await server.stop(None)
