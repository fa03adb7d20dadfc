"""A gRPC proxy in front of containerd whose answers can be spoilt, method by method.

Everything is forwarded as bytes. A fault replaces the next answers of a method: by a status code with a text, by
silence, by an answer that is lost after containerd has done the work, or by another message.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import grpc
import grpc.aio

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.services.content.v1 import content_pb2
from containerd_client.api.containerd.services.events.v1 import events_pb2
from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.api.containerd.services.streaming.v1 import streaming_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from google.protobuf.message import Message

FOR_EVER = 1 << 30
_OPTIONS = (
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.max_send_message_length", 16 << 20),
)
_CONNECTION = frozenset({"user-agent", "te", "content-type", "grpc-accept-encoding", "grpc-timeout", ":authority"})
_STREAMING = {
    f"/{service.full_name}/{method.name}": (method.client_streaming, method.server_streaming)
    for file in (containers_pb2, content_pb2, events_pb2, snapshots_pb2, streaming_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


@dataclass(slots=True)
class Fault:
    """What happens to a call: ``code`` and ``text``, an ``answer``, or neither for silence.

    ``done``: containerd does the work first, and its answer is thrown away. ``only`` selects calls by their request.
    """

    code: grpc.StatusCode | None = None
    text: str = "made up by the proxy"
    answer: Message | None = None
    done: bool = False
    times: int = FOR_EVER
    only: Callable[[bytes], bool] | None = None


class FaultProxy:
    """``async with FaultProxy(path, target) as proxy``; ``proxy.faults["…Tasks/Get"] = Fault(StatusCode.UNAVAILABLE)``.

    Methods have their full names, without the leading slash. ``calls`` counts those that arrived.
    """

    def __init__(self, path: Path, target: str) -> None:
        self.path = path
        self.faults: dict[str, Fault] = {}
        self.calls: Counter[str] = Counter()
        self._target = target

    async def __aenter__(self) -> Self:
        """Listen; containerd need not run yet."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._channel = grpc.aio.insecure_channel(f"unix:{self._target}", options=_OPTIONS)
        self._server = grpc.aio.server(options=_OPTIONS[1:])
        self._server.add_generic_rpc_handlers((_Everything(self),))
        self._server.add_insecure_port(f"unix:{self.path}")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut all connections."""
        await self._server.stop(None)
        await self._channel.close()

    def fault_of(self, method: str, request: bytes) -> Fault | None:
        """Return the fault that this call meets, and use it up."""
        self.calls[method] += 1
        fault = self.faults.get(method)
        if fault is None or fault.times <= 0 or (fault.only is not None and not fault.only(request)):
            return None
        fault.times -= 1
        return fault

    async def unary(self, method: str, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        """Handle a call with one answer."""
        fault = self.fault_of(method, request)
        if fault is None or fault.done:
            answer = await self._asked(method, request, context)
            if fault is None:
                return answer
        if fault.answer is not None:
            return fault.answer.SerializeToString()
        if fault.code is None:
            await asyncio.Event().wait()
        await context.abort(fault.code or grpc.StatusCode.UNKNOWN, fault.text)
        raise AssertionError("abort raises")

    async def _asked(self, method: str, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(f"/{method}")
        try:
            answer: bytes = await call(request, metadata=_metadata(context), timeout=context.time_remaining())
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "")
        return answer

    async def streamed(
        self, method: str, requests: Any, context: grpc.aio.ServicerContext[bytes, bytes], *, both: bool
    ) -> AsyncIterator[bytes]:
        """Handle a call that answers with a stream, to which faults do not apply."""
        make: Any = self._channel.stream_stream if both else self._channel.unary_stream
        call = make(f"/{method}")(requests, metadata=_metadata(context), timeout=context.time_remaining())
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "")
        finally:
            with suppress(asyncio.CancelledError):
                call.cancel()


class _Everything(grpc.GenericRpcHandler):
    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        path = handler_call_details.method
        method, proxy = path.removeprefix("/"), self._proxy
        both, server = _STREAMING.get(path, (False, False))

        async def unary(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            return await proxy.unary(method, request, context)

        async def stream(requests: Any, context: grpc.aio.ServicerContext[bytes, bytes]) -> AsyncIterator[bytes]:
            async for answer in proxy.streamed(method, requests, context, both=both):
                yield answer

        if both:
            return grpc.stream_stream_rpc_method_handler(stream)
        return grpc.unary_stream_rpc_method_handler(stream) if server else grpc.unary_unary_rpc_method_handler(unary)


def _metadata(context: grpc.aio.ServicerContext[bytes, bytes]) -> tuple[tuple[str, str | bytes], ...]:
    return tuple((key, value) for key, value in context.invocation_metadata() or () if key not in _CONNECTION)
