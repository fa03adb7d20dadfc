"""From a method's full name to the Python method that answers it, with the record and the faults around each call."""

from __future__ import annotations

import inspect
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

import grpc
import grpc.aio
from google.protobuf.message_factory import GetMessageClass

from tests.fakes.containerd.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call
    from tests.fakes.containerd.faults import Fault

SINCE = {"Introspection/PluginInfo": (2, 0), "Containers/ListStream": (1, 3)}
"""Methods that came after 1.6, or whose services did."""


class Front(Protocol):
    """What stands in front of the services: the fake."""

    @property
    def backend(self) -> Backend:
        """What the services share."""
        ...

    def begin(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> Call:
        """Record a call that arrives."""
        ...

    def end(self, call: Call) -> None:
        """Record its end."""
        ...

    async def before(self, call: Call, *, unary: bool) -> Fault | None:
        """Let a fault strike before the work."""
        ...

    async def after(self, fault: Fault | None) -> None:
        """Let a fault strike between the work and the answer."""
        ...


class Dispatch(grpc.GenericRpcHandler):
    """Find the method of a call by its full name; answer what is not there in the words of Go's gRPC."""

    def __init__(self, fake: Front, services: tuple[object, ...]) -> None:
        self._fake = fake
        self._services = {service.descriptor.full_name: service for service in services}  # type: ignore[attr-defined]
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """Return what answers a call."""
        name = handler_call_details.method.removeprefix("/")
        if name not in self._handlers:
            self._handlers[name] = self._known(name) or self._refusing(name)
        return self._handlers[name]

    def _known(self, name: str) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return what does the work; None if there is nothing of that name."""
        service_name, _, method_name = name.partition("/")
        service: Any = self._services.get(service_name)
        method = service and service.descriptor.methods_by_name.get(method_name)
        if not method:
            return None
        short = f"{service.descriptor.name}/{method.name}"
        function = getattr(service, _snake(method.name, service), None)
        if function is None or self._fake.backend.version < SINCE.get(short, (0, 0)):
            return None
        return _handler(self._fake, short, method, function)

    def _refusing(self, name: str) -> grpc.RpcMethodHandler[Any, Any]:
        service, _, method = name.partition("/")
        known = service in self._services
        text = f"unknown method {method} for service {service}" if known else f"unknown service {service}"

        async def refuse(requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> None:
            del requests
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)

        return grpc.stream_stream_rpc_method_handler(refuse)


def _snake(name: str, service: object) -> str:
    """Return the Python name of a method: ``ListPids`` is ``list_pids``."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=IO)(?=[A-Z])", "_", name).lower()
    # A name that the class needs for its own data has an underscore behind it.
    return f"{snake}_" if hasattr(service, f"{snake}_") else snake


def _handler(
    fake: Front, short: str, method: MethodDescriptor, function: Callable[..., Any]
) -> grpc.RpcMethodHandler[Any, Any]:
    parse = GetMessageClass(method.input_type).FromString
    if inspect.iscoroutinefunction(function):
        return grpc.unary_unary_rpc_method_handler(
            _unary(fake, short, function), request_deserializer=parse, response_serializer=_serialized
        )
    if short == "Content/Write":
        return grpc.stream_stream_rpc_method_handler(
            _duplex(fake, short, function), request_deserializer=parse, response_serializer=_serialized
        )
    return grpc.unary_stream_rpc_method_handler(
        _stream(fake, short, function), request_deserializer=parse, response_serializer=_serialized
    )


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def _unary(fake: Front, short: str, function: Callable[..., Any]) -> Callable[..., Any]:
    async def answer(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
        call = fake.begin(short, context)
        call.request = request
        try:
            fault = await fake.before(call, unary=True)
            response: Message = await function(request, call)
            call.done = True
            await fake.after(fault)
            call.code = "OK"
            return response
        except Refusal as refusal:
            await _refuse(call, context, refusal)
            raise AssertionError("abort raises") from None
        finally:
            fake.end(call)

    return answer


def _stream(fake: Front, short: str, function: Callable[..., Any]) -> Callable[..., Any]:
    async def answer(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Message]:
        call = fake.begin(short, context)
        call.request = request
        async with aclosing(_sent(fake, call, context, function(request, call))) as sent:
            async for message in sent:
                yield message

    return answer


def _duplex(fake: Front, short: str, function: Callable[..., Any]) -> Callable[..., Any]:
    async def noted(requests: AsyncIterator[Message], call: Call) -> AsyncIterator[Message]:
        async for request in requests:
            if call.request is None:
                call.request = request
            yield request

    async def answer(
        requests: AsyncIterator[Message], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Message]:
        call = fake.begin(short, context)
        async with aclosing(_sent(fake, call, context, function(noted(requests, call), call))) as sent:
            async for message in sent:
                yield message

    return answer


async def _sent(
    fake: Front, call: Call, context: grpc.aio.ServicerContext[Any, Any], messages: AsyncGenerator[Message, None]
) -> AsyncGenerator[Message, None]:
    """Send the messages of a stream, with the faults of its call, and end the call."""
    try:
        fault = await fake.before(call, unary=False)
        async for message in messages:
            yield message
        call.done = True
        await fake.after(fault)
        call.code = "OK"
    except Refusal as refusal:
        await _refuse(call, context, refusal)
    finally:
        await messages.aclose()
        fake.end(call)


async def _refuse(call: Call, context: grpc.aio.ServicerContext[Any, Any], refusal: Refusal) -> None:
    call.code, call.text = refusal.code.name, refusal.text
    await context.abort(refusal.code, refusal.text)
