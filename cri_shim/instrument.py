"""The one layer around every RPC: readiness, time limit, log line, ledger, error → status, cancellation guard.

Files in :mod:`cri_shim.rpc` hold none of these. A request enters here, goes to the function that the table in
:mod:`cri_shim.rpc` names, and its answer or error leaves here. Streams go the same way: the function gives the
messages to send, and here they are sent.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import grpc
import structlog
from google.protobuf import message_factory

from containerd_client import ContainerdError, call_options
from cri_shim.api.runtime.v1 import runtime_pb2
from cri_shim.errors import CriError
from cri_shim.hops.ledger import close_request, open_request
from cri_shim.ops.guard import answered
from cri_shim.rpc import RPCS, Kind, Rpc
from cri_shim.v1alpha2 import V1ALPHA2, v1alpha2_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

    from cri_shim.hops.ledger import Request
    from cri_shim.service import Service

    _Context = grpc.aio.ServicerContext[Any, Any]

log = structlog.get_logger(__name__)

_ANSWERED_BEFORE_READY = frozenset({"Version", "Status"})


def handlers(service: Service) -> list[grpc.GenericRpcHandler]:
    """What a gRPC server needs to serve CRI v1 and v1alpha2.

    Of v1 every method of the .proto, those not yet written included; of v1alpha2 what it has of them.
    """
    made = []
    for descriptor in runtime_pb2.DESCRIPTOR.services_by_name.values():
        v1 = {method.name: _method_handler(service, method, RPCS.get(method.name)) for method in descriptor.methods}
        old = {
            method.name: _method_handler(service, method, V1ALPHA2[method.name])
            for method in descriptor.methods
            if method.name in V1ALPHA2
        }
        made.append(grpc.method_handlers_generic_handler(descriptor.full_name, v1))
        made.append(grpc.method_handlers_generic_handler(v1alpha2_name(descriptor.full_name), old))
    return made


def _method_handler(service: Service, method: MethodDescriptor, rpc: Rpc | None) -> grpc.RpcMethodHandler[Any, Any]:
    handle: Callable[[Any, _Context], Awaitable[Any]]
    if rpc is None:
        handle = _unimplemented(method.name)
    elif method.server_streaming:
        handle = _streaming(service, rpc, method.name)
    else:
        handle = _answering(service, rpc, method.name)
    make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
    return make(handle, message_factory.GetMessageClass(method.input_type).FromString, _serialised)


def _serialised(message: Message) -> bytes:
    return message.SerializeToString()


def _unimplemented(name: str) -> Callable[[Any, _Context], Awaitable[Any]]:
    async def handle(_request: Any, context: _Context) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"cri-shim does not offer {name} yet")

    return handle


def _answering(service: Service, rpc: Rpc, name: str) -> Callable[[Message, _Context], Awaitable[Message]]:
    async def handle(message: Message, context: _Context) -> Message:
        async with _instrumented(service, rpc, name, message, context):
            response: Message = await answered(rpc.function(service, message))
        return response

    return handle


def _streaming(service: Service, rpc: Rpc, name: str) -> Callable[[Message, _Context], Awaitable[None]]:
    async def send(message: Message, context: _Context) -> None:
        async with contextlib.aclosing(await rpc.function(service, message)) as responses:
            # From here on the stream misses nothing; a client may wait for the headers before it goes on.
            await context.send_initial_metadata(())
            async for response in responses:
                await context.write(response)

    async def handle(message: Message, context: _Context) -> None:
        async with _instrumented(service, rpc, name, message, context):
            await answered(send(message, context))

    return handle


@contextlib.asynccontextmanager
async def _instrumented(
    service: Service, rpc: Rpc, name: str, message: Message, context: _Context
) -> AsyncIterator[None]:
    """All that surrounds the work of one request; a cancellation by the client passes through."""
    request = open_request(name)
    try:
        if name not in _ANSWERED_BEFORE_READY:
            service.readiness.require()
        with call_options(timeout=context.time_remaining() if rpc.kind is Kind.READ else None):
            yield
    except (CriError, ContainerdError) as error:
        code, detail = _status_of(error)
        # A kubelet asks for what it has just removed, and goes on asking while containerd is away (logged once).
        expected = not service.readiness.ready or (rpc.kind is Kind.READ and code is grpc.StatusCode.NOT_FOUND)
        _log_failure(name, message, request, code=code, detail=detail, expected=expected)
        await context.abort(code, detail)
    except Exception as error:
        log.exception("rpc.bug", rpc=name, **_subject(message))
        _log_failure(name, message, request, code=grpc.StatusCode.INTERNAL, detail=repr(error))
        await context.abort(grpc.StatusCode.INTERNAL, f"{name} failed unexpectedly: {error!r}")
    finally:
        request.ended = True
    level = log.debug if rpc.kind is Kind.READ else log.info
    level("rpc.ok", rpc=name, **_subject(message), **_bill(request))


def _status_of(error: CriError | ContainerdError) -> tuple[grpc.StatusCode, str]:
    if isinstance(error, CriError):
        return error.code, str(error)
    return grpc.StatusCode[error.code], f"containerd: {error}"


def _log_failure(
    name: str, message: Message, request: Request, *, code: grpc.StatusCode, detail: str, expected: bool = False
) -> None:
    level = log.debug if expected else log.warning
    level("rpc.failed", rpc=name, code=code.name, error=detail, **_subject(message), **_bill(request))


def _bill(request: Request) -> dict[str, Any]:
    bill = close_request(request)
    return {
        "ms": round(bill.wall * 1000, 2),
        "hops": bill.hop_count,
        "hops_ms": round(bill.hops * 1000, 2),
        "helpers_ms": round(bill.helpers * 1000, 2),
        "own_ms": round(bill.own * 1000, 2),
    }


def _subject(message: Any) -> dict[str, str]:
    """What the request is about, under the names the log uses."""
    found: dict[str, str] = {}
    if sandbox_id := getattr(message, "pod_sandbox_id", None):
        found["sandbox_id"] = sandbox_id
    if container_id := getattr(message, "container_id", None):
        found["container_id"] = container_id
    config = getattr(message, "config", None)
    metadata = getattr(config, "metadata", None)
    if metadata is not None and metadata.name:
        found["name"] = metadata.name
    image = getattr(message, "image", None)
    if image is not None and getattr(image, "image", None):
        found["image"] = image.image
    return found
