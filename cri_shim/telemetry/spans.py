"""Build the spans of a trace from a finished request, after the fact, so that trace and bill cannot differ.

There is one server span for the request, below it its stages, and below those the hops and CNI plugins that ran inside
of them. docs/tracing.md lists names and attributes. For gRPC they are the names of OpenTelemetry's stable conventions,
and beside them those older ones whose names do not collide, because containerd up to 2.1 still uses them. For stages
and events they are the names that containerd's own CRI plugin uses. Nothing of OpenTelemetry is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import grpc
from msgspec import Struct, field

from cri_shim.api.runtime.v1 import runtime_pb2
from cri_shim.ledger.bill_text import bill_text, parse_bill
from cri_shim.ledger.trace_context import new_span_id, span_of
from cri_shim.ledger.unfinished import UNFINISHED
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from containerd_client.hops import Hop
    from cri_shim.ledger.request import Request
    from cri_shim.network.exec import Helper
    from cri_shim.timeline import Stretch, stage

Value: TypeAlias = str | int | float | bool

_SERVICE_OF = {
    method.name: service.name
    for service in runtime_pb2.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
_SERVERS_FAULT = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Codes that make a server span an error; any code but OK makes a client span one."""
_SUBJECT = {"sandbox_id": "sandbox.id", "container_id": "container.id", "image": "image.ref"}
_LONGEST_VALUE = 1024
"""The most characters of an attribute."""
_ENDED = {
    "CreateContainer": ("container created",),
    "StartContainer": ("container started",),
    "StopContainer": ("container stopped",),
    "RemoveContainer": ("container removed",),
    "StopPodSandbox": ("sandbox container stopped",),
    "RemovePodSandbox": ("pod sandbox removed",),
    "PullImage": ("Pull and unpack image complete",),
}
"""The plugin's names for the successful end of a request."""
_OF_STAGE = {
    "cni.setup_pod_network": ("cni.setup.start", "cni.setup.complete"),
    "cni.teardown_pod_network": ("start pod network teardown", "finished pod network teardown"),
}
"""The plugin's names for the beginning and end of a stage."""


class Event(Struct, frozen=True):
    """A moment in a span; ``at`` is in ns since 1970."""

    name: str
    at: int
    attributes: dict[str, Value] = field(default_factory=dict)


class Span(Struct, frozen=True):
    """One span; ids are in hex digits, times in ns since 1970, and ``error`` is None if there was none."""

    name: str
    kind: Literal["server", "client", "internal"]
    span_id: str
    parent_id: str
    started: int
    ended: int
    attributes: dict[str, Value]
    events: tuple[Event, ...] = ()
    error: str | None = None


class SpanMaker:
    """Makes the spans of requests; ``containerd`` is its socket, ``older_names`` adds the older attributes of gRPC."""

    def __init__(self, containerd: str, *, older_names: bool = True) -> None:
        self._containerd = containerd
        self._older_names = older_names

    def spans(self, request: Request, bill: str = "") -> Iterator[Span]:
        """Yield the spans of an ended request that has a trace, the request's own first.

        ``bill`` is its bill as it was sent with the answer; later it may be known better.
        """
        trace = request.trace
        if trace is None:
            return
        ids: dict[int, str] = {}
        for one in request.stages or ():
            if one.block is not None:
                ids[id(one.block)] = new_span_id()
        yield self._request(request, bill or bill_text(request))
        for one in request.stages or ():
            outer = None if one.block is None else one.block.outer
            own = new_span_id() if one.block is None else ids[id(one.block)]
            yield _stage(request, one, own, _within(outer, ids) or trace.span_id)
        for hop in request.hops:
            yield self._hop(request, hop, _within(request.blocks.get(span_of(hop.trace)), ids) or trace.span_id)
        for helper in request.helpers:
            yield _helper(request, helper, _around(request, helper, ids) or trace.span_id)

    def _request(self, request: Request, bill: str) -> Span:
        trace = request.trace
        assert trace is not None  # noqa: S101 - checked by the caller
        name = f"runtime.{request.api}.{_SERVICE_OF.get(request.method, 'RuntimeService')}/{request.method}"
        subject = request.subject
        attributes = self._rpc(name, request.code) | {_SUBJECT[key]: subject[key] for key in _SUBJECT if key in subject}
        if pod_or_container := subject.get("name"):
            what = "container" if request.method == "CreateContainer" else "pod"
            attributes[f"k8s.{what}.name"] = pod_or_container
        attributes |= {f"cri_shim.bill.{key}": _number(value) for key, value in parse_bill(bill).items() if key != "id"}
        attributes["cri_shim.request.id"] = request.id
        return Span(
            name,
            "server",
            trace.span_id,
            trace.parent_id,
            _ns(request, request.started),
            _ns(request, request.started + request.bill.wall),
            attributes,
            tuple(_events(request)),
            request.error if request.code in _SERVERS_FAULT else None,
        )

    def _hop(self, request: Request, hop: Hop, parent: str) -> Span:
        unfinished = hop.code == UNFINISHED
        attributes = self._rpc(hop.method, "" if unfinished else hop.code)
        attributes |= {
            "server.address": self._containerd,
            "network.transport": "unix",
            "cri_shim.hop.bytes_out": hop.bytes_out,
            "cri_shim.hop.bytes_in": hop.bytes_in,
            "cri_shim.hop.attempts": hop.attempts,
        }
        if unfinished:
            attributes["cri_shim.hop.unfinished"] = True
        return Span(
            hop.method,
            "client",
            span_of(hop.trace) or new_span_id(),
            parent,
            _ns(request, hop.started),
            _ns(request, hop.started + hop.duration),
            attributes,
            error=None if unfinished or hop.code == "OK" else hop.code,
        )

    def _rpc(self, method: str, code: str) -> dict[str, Value]:
        attributes: dict[str, Value] = {"rpc.system.name": "grpc", "rpc.method": method}
        if code:
            attributes["rpc.response.status_code"] = code
        if code not in {"", "OK"}:
            attributes["error.type"] = code
        if self._older_names:
            attributes |= {"rpc.system": "grpc", "rpc.service": method.partition("/")[0]}
            if code:
                attributes["rpc.grpc.status_code"] = grpc.StatusCode[code].value[0]
        return attributes


def _stage(request: Request, one: Stretch, own: str, parent: str) -> Span:
    started, ended = _ns(request, one.started), _ns(request, one.started + one.duration)
    # A text that cannot be encoded would make the export of its whole batch fail.
    about: dict[str, Value] = {key: escaped(value, _LONGEST_VALUE) for key, value in one.about.items() if value}
    return Span(one.name, "internal", own, parent, started, ended, about)


def _helper(request: Request, helper: Helper, parent: str) -> Span:
    about: dict[str, Value] = {"cni.plugin": helper.name, "cni.command": helper.command}
    if helper.exit_code is not None:
        about["process.exit.code"] = helper.exit_code
    return Span(
        f"cni.{helper.command.lower()}.{helper.name}",
        "internal",
        new_span_id(),
        parent,
        _ns(request, helper.started),
        _ns(request, helper.started + helper.duration),
        about,
        error=f"exit code {helper.exit_code}" if helper.exit_code else None,
    )


def _events(request: Request) -> Iterator[Event]:
    for one in request.stages or ():
        if names := _OF_STAGE.get(one.name):
            yield Event(names[0], _ns(request, one.started))
            yield Event(names[1], _ns(request, one.started + one.duration))
    for wait in request.waits or ():
        about: dict[str, Value] = {"wait.for": wait.name, "wait.duration_ms": round(wait.duration * 1000, 3)}
        yield Event("wait", _ns(request, wait.started), about)
    if request.code == "OK":
        wall = request.bill.wall
        for name in _ENDED.get(request.method, ()):
            about = {"container.create.duration": f"{wall:.6f}s"} if request.method == "CreateContainer" else {}
            yield Event(name, _ns(request, request.started + wall), about)


def _within(block: stage | None, ids: dict[int, str]) -> str:
    """Return the span of the innermost stage that was recorded; a stage that ended after the answer was not."""
    while block is not None:
        if parent := ids.get(id(block)):
            return parent
        block = block.outer
    return ""


def _around(request: Request, helper: Helper, ids: dict[int, str]) -> str:
    """Return the span of the stage that a plugin ran in, found by time.

    This works because networks are set up and torn down in stages of their own.
    """
    for one in request.stages or ():
        if one.name in _OF_STAGE and one.started <= helper.started <= one.started + one.duration:
            return _within(one.block, ids)
    return ""


def _ns(request: Request, at: float) -> int:
    """Convert a moment of ``perf_counter`` to ns since 1970."""
    return int(request.started_at * 1e9) + int((at - request.started) * 1e9)


def _number(value: float | str) -> Value:
    return int(value) if isinstance(value, float) else value
