"""A CRI client of a service in the same process: requests go through the one layer around every RPC, without a socket.

What a caller gets is what a client of the daemon gets: the response, or the code and text of the status. Cancelling a
call is a client that hangs up.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import grpc
from google.protobuf.message_factory import GetMessageClass
from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.server.current import Current
from cri_shim.server.instrument import handlers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from google.protobuf.descriptor import MethodDescriptor

    from cri_shim.service import Service

_METHODS = {
    method.name: (f"/{service.full_name}/{method.name}", method)
    for service in cri.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


class Client:
    """``await client.RunPodSandbox(config=…)``; a failed call raises :class:`grpc.aio.AioRpcError`.

    ``seconds`` is the deadline of the calls. The service only sees it: no call is cut off by it. ``api`` is the version
    of the CRI whose methods are called; the messages of both are the same on the wire.
    """

    def __init__(self, service: Service, *, seconds: float | None = None, api: str = "v1") -> None:
        self.current = Current(service)
        """What the next request works with; a test may replace the service, as a reload does."""
        self._handlers = handlers(self.current)
        self._seconds = seconds
        self._api = api

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Return the call of an RPC with one answer."""
        if name not in _METHODS:
            raise AttributeError(name)
        path, method = _METHODS[name]

        async def call(**fields: Any) -> Any:
            context = Context(self._seconds)
            request = GetMessageClass(method.input_type)(**fields).SerializeToString()
            answer = await self._handler(path).unary_unary(request, context)
            return GetMessageClass(method.output_type).FromString(answer)

        return call

    def stream(self, name: str, **fields: Any) -> AsyncIterator[Any]:
        """Begin a streaming RPC; its responses are read with ``async for``."""
        path, method = _METHODS[name]
        return _responses(self._handler(path), method, GetMessageClass(method.input_type)(**fields).SerializeToString())

    def hang_up_after(self, call: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a call and return its task: ``task.cancel()`` is the client's hanging up."""
        return asyncio.ensure_future(call)

    def _handler(self, path: str) -> Any:
        details = cast("grpc.HandlerCallDetails", _Details(path.replace("runtime.v1.", f"runtime.{self._api}.", 1)))
        return next(handler for each in self._handlers if (handler := each.service(details)) is not None)


class _Details(Struct):
    method: str
    invocation_metadata: Sequence[tuple[str, str]] = ()


class Context:
    """The part of gRPC's context that a handler sees. ``written`` are the messages of a stream."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self.trailing: Sequence[tuple[str, str | bytes]] = ()
        self.written: asyncio.Queue[bytes | None] = asyncio.Queue()

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        """Nothing comes along with a request."""
        return ()

    def time_remaining(self) -> float | None:
        """Return the deadline of the call, in seconds."""
        return self._seconds

    async def send_initial_metadata(self, _metadata: Sequence[tuple[str, str]]) -> None:
        """Do nothing: headers have no meaning here."""

    async def write(self, message: bytes) -> None:
        """Keep one message of a stream for its reader."""
        await self.written.put(message)

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, str | bytes]]) -> None:
        """Keep what comes after the answer."""
        self.trailing = metadata

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing: Sequence[tuple[str, str | bytes]] = ()
    ) -> None:
        """End the call as a client sees it end."""
        self.trailing = trailing
        raise grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details)


async def _responses(handler: Any, method: MethodDescriptor, request: bytes) -> AsyncIterator[Any]:
    context = Context()

    async def serve() -> None:
        try:
            await handler.unary_stream(request, context)
        finally:
            await context.written.put(None)

    serving = asyncio.create_task(serve())
    try:
        while (message := await context.written.get()) is not None:
            yield GetMessageClass(method.output_type).FromString(message)
        await serving
    finally:
        serving.cancel()
        await asyncio.wait([serving])
