"""The one layer around every RPC: readiness, time limit, log line, ledger, error → status, cancellation guard.

Files in :mod:`cri_shim.rpc` hold none of these. A request enters here, goes to the function that the table in
:mod:`cri_shim.rpc` names, and its answer or error leaves here.
"""

from __future__ import annotations

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

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
    from google.protobuf.message import Message

    from cri_shim.hops.ledger import Request
    from cri_shim.service import Service

log = structlog.get_logger(__name__)

_ANSWERED_BEFORE_READY = frozenset({"Version", "Status"})


def handlers(service: Service) -> list[grpc.GenericRpcHandler]:
    """What a gRPC server needs to serve CRI v1: every method of the .proto, those not yet written included."""
    return [_service_handler(service, descriptor) for descriptor in runtime_pb2.DESCRIPTOR.services_by_name.values()]


def _service_handler(service: Service, descriptor: ServiceDescriptor) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        descriptor.full_name,
        {method.name: _method_handler(service, method) for method in descriptor.methods},
    )


def _method_handler(service: Service, method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
    request_class = message_factory.GetMessageClass(method.input_type)
    rpc = RPCS.get(method.name)
    if rpc is None:
        make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        return make(_unimplemented(method.name), request_class.FromString, _serialised)
    return grpc.unary_unary_rpc_method_handler(
        _instrumented(service, rpc, method.full_name), request_class.FromString, _serialised
    )


def _serialised(message: Message) -> bytes:
    return message.SerializeToString()


def _unimplemented(name: str) -> Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Awaitable[Any]]:
    async def handle(_request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"cri-shim does not offer {name} yet")

    return handle


def _instrumented(
    service: Service, rpc: Rpc, full_name: str
) -> Callable[[Message, grpc.aio.ServicerContext[Any, Any]], Awaitable[Message]]:
    name = full_name.rpartition(".")[2]
    early = name in _ANSWERED_BEFORE_READY
    level = log.debug if rpc.kind is Kind.READ else log.info

    async def handle(message: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
        request = open_request(name)
        try:
            if not early:
                service.readiness.require()
            with call_options(timeout=context.time_remaining() if rpc.kind is Kind.READ else None):
                response: Message = await answered(rpc.function(service, message))
        except (CriError, ContainerdError) as error:
            code, detail = _status_of(error)
            _log_failure(name, message, request, code, detail)
            await context.abort(code, detail)
        except Exception as error:
            log.exception("rpc.bug", rpc=name, **_subject(message))
            _log_failure(name, message, request, grpc.StatusCode.INTERNAL, repr(error))
            await context.abort(grpc.StatusCode.INTERNAL, f"{name} failed unexpectedly: {error!r}")
        finally:
            request.ended = True
        level("rpc.ok", rpc=name, **_subject(message), **_bill(request))
        return response

    return handle


def _status_of(error: CriError | ContainerdError) -> tuple[grpc.StatusCode, str]:
    if isinstance(error, CriError):
        return error.code, str(error)
    return grpc.StatusCode[error.code], f"containerd: {error}"


def _log_failure(name: str, message: Message, request: Request, code: grpc.StatusCode, detail: str) -> None:
    log.warning("rpc.failed", rpc=name, code=code.name, error=detail, **_subject(message), **_bill(request))


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
