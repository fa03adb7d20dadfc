"""The one layer around every RPC: readiness, time limit, log line, ledger, error → status, cancellation guard.

Files in :mod:`cri_shim.rpc` contain none of these. A request enters here as bytes and goes to the function that the
table in :mod:`cri_shim.rpc` names. Its answer or error leaves here as bytes, together with its bill, because parsing
and serialising messages is part of what a request costs. Streams go the same way: the function yields messages, and
this layer sends them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import structlog
from google.protobuf import message_factory
from google.protobuf.message import DecodeError
from msgspec import structs

from containerd_client import ContainerdError, call_options
from containerd_client.errors import Unknown
from containerd_client.options import TRACE_KEY
from cri_shim.api.runtime.v1 import runtime_pb2
from cri_shim.concurrency.guard import answered
from cri_shim.errors import CriError, ResourceExhaustedError
from cri_shim.images.missing_snapshotter import missing_snapshotter
from cri_shim.ledger.bill_text import trailer, wants_hops
from cri_shim.ledger.front import front_probe_client
from cri_shim.ledger.front.client_time import sent_at
from cri_shim.ledger.request import Request
from cri_shim.metered import Metered
from cri_shim.os_errors import node_error_in
from cri_shim.rpc import RPCS, Kind, Rpc
from cri_shim.server.current import Current
from cri_shim.server.request_check import request_check
from cri_shim.server.unexpected import in_words
from cri_shim.server.v1alpha2 import V1ALPHA2, v1alpha2_name
from cri_shim.state.names import sandbox_name
from cri_shim.status_text import status_text
from cri_shim.timeline import current_request, note_stage, note_wait
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

    from cri_shim.ledger.ledger import Ledger
    from cri_shim.service import Service

    _Context = grpc.aio.ServicerContext[bytes, bytes]

T = TypeVar("T")

log = structlog.get_logger(__name__)

MESSAGE_LIMIT = 16 << 20
"""Bytes of one gRPC message in either direction: the limit of the kubelet and containerd (kubernetes issue 63858)."""

_ANSWERED_BEFORE_READY = frozenset({"Version", "Status"})
# Fields of requests that _subject reads; most List requests have none of them.
_SUBJECT_FIELDS = frozenset({"pod_sandbox_id", "container_id", "config", "image"})
_TASKS = "services.tasks."
_SLOW_CLIENT = 0.005  # seconds; when writing a message of a stream takes longer, it waits for the client
_WORTH_A_STAGE = 0.0001  # seconds; parsing or serialising a short message is not worth a stage


def handlers(current: Current) -> list[grpc.GenericRpcHandler]:
    """Return the handlers with which a gRPC server serves CRI v1 and v1alpha2.

    For v1 they cover every method of the .proto, including those not implemented yet; for v1alpha2, the methods that it
    has.
    """
    made = []
    for descriptor in runtime_pb2.DESCRIPTOR.services_by_name.values():
        v1 = {
            method.name: _method_handler(current, method, RPCS.get(method.name), "v1") for method in descriptor.methods
        }
        old = {
            method.name: _method_handler(current, method, V1ALPHA2[method.name], "v1alpha2")
            for method in descriptor.methods
            if method.name in V1ALPHA2
        }
        made.append(grpc.method_handlers_generic_handler(descriptor.full_name, v1))
        made.append(grpc.method_handlers_generic_handler(v1alpha2_name(descriptor.full_name), old))
    return made


def probe_handler(service: Service, ledger: Ledger) -> grpc.GenericRpcHandler:
    """Return the handler with which a gRPC server answers the daemon's own probe calls, recorded in ``ledger``.

    A probe call takes the whole path of a request, but has nothing to do.
    """
    method = runtime_pb2.DESCRIPTOR.services_by_name["RuntimeService"].methods_by_name["Version"]
    probed = _Probed(Current(structs.replace(service, ledger=ledger)), Rpc(_do_nothing, Kind.READ), method, "probe")
    return grpc.method_handlers_generic_handler(
        front_probe_client.SERVICE, {front_probe_client.METHOD: grpc.unary_unary_rpc_method_handler(probed.answer)}
    )


async def _do_nothing(_service: Service, _request: Message) -> bytes:
    return b""


def _method_handler(
    current: Current, method: MethodDescriptor, rpc: Rpc | None, api: str
) -> grpc.RpcMethodHandler[bytes, bytes]:
    handle: Callable[[bytes, _Context], Awaitable[Any]]
    if rpc is None:
        handle = _unimplemented(method.name)
    elif method.server_streaming:
        handle = _Instrumented(current, rpc, method, api).stream
    else:
        handle = _Instrumented(current, rpc, method, api).answer
    make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
    return make(handle)


def _unimplemented(name: str) -> Callable[[bytes, _Context], Awaitable[None]]:
    async def handle(_request: bytes, context: _Context) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"cri-shim does not offer {name} yet")

    return handle


class _Instrumented:
    """One method of one API version, with everything that surrounds the work of its requests."""

    def __init__(self, current: Current, rpc: Rpc, method: MethodDescriptor, api: str) -> None:
        self._current = current
        self._rpc = rpc
        self._name = method.name
        self._api = api
        self._parse: Callable[[bytes], Message] = message_factory.GetMessageClass(method.input_type).FromString
        self._check = request_check(method.input_type).check
        self._always = method.name in _ANSWERED_BEFORE_READY
        self._read = rpc.kind is Kind.READ
        self._pulls = method.name == "PullImage"
        self._has_subject = not _SUBJECT_FIELDS.isdisjoint(method.input_type.fields_by_name)

    @property
    def _log(self) -> structlog.typing.FilteringBoundLogger:
        return self._current.log

    async def answer(self, data: bytes, context: _Context) -> bytes:
        """Serve a method that has one answer."""
        request, hops = self._open(context)
        return await Metered(self._around(request, data, context, self._answered, hops=hops), request)

    async def stream(self, data: bytes, context: _Context) -> None:
        """Serve a method whose answer is a stream."""
        request, hops = self._open(context)
        await Metered(self._around(request, data, context, self._streamed, hops=hops), request)

    def _open(self, context: _Context) -> tuple[Request, bool]:
        """Begin the record of a request; also return whether its client wants each hop in the answer."""
        metadata = context.invocation_metadata() or ()  # gRPC builds it anew at each call
        service = self._current.service
        trace = service.traces.begin(_value(metadata, TRACE_KEY))
        return service.ledger.open(self._name, self._api, trace, sent_at(metadata)), wants_hops(metadata)

    async def _answered(self, message: Message, _context: _Context) -> bytes:
        response = await answered(self._rpc.function(self._current.service, message))
        request = current_request.get()
        if not self._read and isinstance(request, Request):
            request.subject = {**request.subject, **_subject(response)}  # the id of what was made
        return _within_limit(self._name, _written(response))

    async def _streamed(self, message: Message, context: _Context) -> None:
        await answered(self._send(message, context))

    async def _send(self, message: Message, context: _Context) -> None:
        async with contextlib.aclosing(await self._rpc.function(self._current.service, message)) as responses:
            # From here on the stream misses nothing; a client may wait for the headers before it proceeds.
            await context.send_initial_metadata(())
            async for response in responses:
                data = _within_limit(self._name, response.SerializeToString())
                del response  # for a client that does not read, only the bytes stay in memory
                written = time.perf_counter()
                await context.write(data)
                note_wait("client", written, least=_SLOW_CLIENT)

    async def _around(
        self,
        request: Request,
        data: bytes,
        context: _Context,
        work: Callable[[Message, _Context], Awaitable[T]],
        *,
        hops: bool,
    ) -> T:
        """Do the work of one request; a cancellation by the client passes through."""
        service = self._current.service
        outcome = grpc.StatusCode.CANCELLED
        detail = ""
        try:
            message = self._parse(data)
            note_stage("parse", request.started, least=_WORTH_A_STAGE)
            if self._has_subject:
                request.subject = _subject(message)
            if self._pulls:
                request.subject = {**request.subject, **_pod_of_pull(service, message)}
            if not self._always:
                service.readiness.require()
            self._check(message, data)
            with call_options(timeout=context.time_remaining() if self._read else None):
                response = await work(message, context)
            outcome = grpc.StatusCode.OK
        except (CriError, ContainerdError) as error:
            outcome, detail = _status_of(error)
        except DecodeError as error:
            outcome, detail = grpc.StatusCode.INTERNAL, status_text(f"this is not a message of {self._name}: {error}")
        except Exception as error:  # noqa: BLE001 - the one place where every error becomes a status
            outcome, detail = self._unforeseen(error, request)
        finally:
            service.ledger.close(request, outcome.name, detail)
        level = self._log_level(request)
        if self._log.is_enabled_for(level):
            # Logged after the answer has been handed over, so that the client does not wait for a line to be written.
            asyncio.get_running_loop().call_soon(self._log_line, level, request)
        trailing = trailer(request, hops=hops)
        if outcome is not grpc.StatusCode.OK:
            await context.abort(outcome, detail, trailing)
        context.set_trailing_metadata(trailing)
        return response

    def _unforeseen(self, error: Exception, request: Request) -> tuple[grpc.StatusCode, str]:
        """Return the status of an error that no collaborator has put into words."""
        meant = in_words(error)
        if meant is not None:
            log.debug("rpc.unforeseen", rpc=self._name, **request.subject, exc_info=error)
            return meant.code, status_text(f"{self._name}: {meant}")
        log.error("rpc.bug", rpc=self._name, **request.subject, exc_info=error)
        return grpc.StatusCode.INTERNAL, status_text(f"{self._name} failed unexpectedly: {error!r}")

    def _log_level(self, request: Request) -> int:
        """Return the level: info for changes, debug for reads, warning for failures."""
        if request.code == "OK":
            return logging.DEBUG if self._read else logging.INFO
        # A kubelet asks for what it has just removed, and goes on asking while containerd is away (which is logged
        # once).
        gone = self._read and request.code == grpc.StatusCode.NOT_FOUND.name
        return logging.DEBUG if gone or not self._current.service.readiness.ready else logging.WARNING

    def _log_line(self, level: int, request: Request) -> None:
        """Write the one line of a request."""
        how = {} if request.code == "OK" else {"code": request.code, "error": request.error}
        event = "rpc.ok" if request.code == "OK" else "rpc.failed"
        self._log.log(level, event, rpc=self._name, **how, **request.subject, **_bill(request))


class _Probed(_Instrumented):
    """The probe's method, which is never logged."""

    def _log_level(self, _request: Request) -> int:
        return logging.NOTSET


def _written(response: Message | bytes) -> bytes:
    if isinstance(response, bytes):
        return response
    started = time.perf_counter()
    data: bytes = response.SerializeToString()
    note_stage("serialise", started, least=_WORTH_A_STAGE)
    return data


def _value(metadata: Iterable[tuple[str, str | bytes]], key: str) -> str:
    for name, value in metadata:
        if name == key:
            return value if isinstance(value, str) else value.decode(errors="replace")
    return ""


def _status_of(error: CriError | ContainerdError) -> tuple[grpc.StatusCode, str]:
    if isinstance(error, CriError):
        return error.code, status_text(str(error))
    text = f"containerd: {error}"
    # What a task's runtime cannot write is usually not a file of this node but one of the kernel's settings.
    of_node = node_error_in(text) if isinstance(error, Unknown) and _TASKS not in error.method else None
    meant = of_node or missing_snapshotter(error)
    return (grpc.StatusCode[error.code], status_text(text)) if meant is None else _status_of(meant)


def _within_limit(name: str, message: bytes) -> bytes:
    """Return the message if it may be sent; a larger one would end as an error of gRPC's own."""
    if len(message) > MESSAGE_LIMIT:
        raise ResourceExhaustedError(
            f"the answer of {name} has {len(message)} bytes, but a message may have at most {MESSAGE_LIMIT}; "
            "ask for less with a filter, or use the streaming form of the call"
        )
    return message


def _bill(request: Request) -> dict[str, Any]:
    bill = request.bill
    return {
        "request": request.id,
        "ms": _ms(bill.wall),
        "transport_ms": _ms(bill.transport),
        "work_ms": _ms(bill.work),
        "queue_ms": _ms(bill.queue),
        "world_ms": _ms(bill.world),
        "front_ms": _ms(bill.front),
        "price_ms": _ms(bill.price),
        "price_error_ms": _ms(bill.price_error),
        "hops": bill.hop_count,
        "hops_ms": _ms(bill.hops),
        "helpers_ms": _ms(bill.helpers),
        "own_ms": _ms(bill.own),
        "split": bill.split,
        "front_known": bill.front_known,
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _subject(message: Any) -> dict[str, str]:
    """Return what the request is about, under the names of the log, in a form that is safe to store, log and send."""
    attributes: dict[str, str] = {}
    if sandbox_id := getattr(message, "pod_sandbox_id", None):
        attributes["sandbox_id"] = escaped(sandbox_id)
    if container_id := getattr(message, "container_id", None):
        attributes["container_id"] = escaped(container_id)
    config = getattr(message, "config", None)
    metadata = getattr(config, "metadata", None)
    if metadata is not None and metadata.name:
        attributes["name"] = escaped(metadata.name)
        if namespace := getattr(metadata, "namespace", None):  # a pod's; a container has its pod's
            attributes["namespace"] = escaped(namespace)
    image = getattr(message, "image", None)
    if image is not None and getattr(image, "image", None):
        attributes["image"] = escaped(image.image)
    return attributes


def _pod_of_pull(service: Service, message: Any) -> dict[str, str]:
    """Return the id of the pod that an image is pulled for, if the request says so, as that of a kubelet does."""
    metadata = message.sandbox_config.metadata
    sandbox_id = service.sandbox_names.holder(sandbox_name(metadata)) if metadata.name else None
    return {} if sandbox_id is None else {"sandbox_id": sandbox_id}
