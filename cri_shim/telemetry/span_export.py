"""Export ended requests to a collector, with OpenTelemetry's own exporter.

A request is only queued when it ends. Its spans are made from its record afterwards, one request at a time, and go to
the SDK's batch processor with the ids that were sent over the wire. The SDK is imported when an exporter is made, that
is, never unless a collector is configured.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from typing import TYPE_CHECKING, Any

import structlog

import cri_shim
from cri_shim.ledger.bill_text import bill_text
from cri_shim.ledger.ledger import LedgerObserver
from cri_shim.telemetry.spans import SpanMaker
from cri_shim.telemetry.tracing import TracingError
from untrusted import encodable, escaped

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

    from cri_shim.ledger.request import Request
    from cri_shim.telemetry.spans import Span
    from cri_shim.telemetry.tracing import Tracing

WAITING = 1000
"""Requests that may wait for their spans to be made; beyond that the oldest are not exported."""
MISSING = (
    "tracing needs OpenTelemetry, which is not installed ({}); install the extra: pip install '.[otel]' in a checkout"
)

log = structlog.get_logger(__name__)


class _VariableError(TracingError):
    """OpenTelemetry refuses one of its variables in the environment."""


def span_export(tracing: Tracing, containerd: str) -> SpanExport | None:
    """Return the exporter that the settings ask for, if any; ``containerd`` is its socket.

    Raises :class:`TracingError` if the file names a collector and the SDK is not installed, or refuses a variable of
    the environment. If only the environment names one, which it may do for every program of the node, that is a
    warning.
    """
    if not tracing.endpoint:
        return None
    try:
        return SpanExport(tracing, SpanMaker(containerd, older_names=tracing.older_names))
    except TracingError as error:
        if tracing.configured:
            raise
        if isinstance(error, _VariableError):
            log.warning("tracing.variable_refused", endpoint=tracing.endpoint, error=str(error))
        else:
            log.warning("tracing.not_installed", endpoint=tracing.endpoint, error=str(error))
        return None


class SpanExport(LedgerObserver):
    """An observer of the ledger that exports requests to a collector.

    Raises :class:`TracingError` if the SDK is not installed or refuses a variable of the environment.
    """

    def __init__(self, tracing: Tracing, maker: SpanMaker) -> None:
        self._maker = maker
        self._queue: deque[tuple[Request, str]] = deque(maxlen=WAITING)
        self._wake = asyncio.Event()
        self._assemble = _Assembler(tracing)
        self.untold = 0
        """Requests that found the queue full."""

    def closed(self, request: Request) -> None:
        """Queue a request whose trace is exported; its bill is stored as it was sent with the answer."""
        if request.trace is not None and request.trace.exported:
            self.untold += len(self._queue) == WAITING
            self._queue.append((request, bill_text(request)))
            self._wake.set()

    async def run(self) -> None:
        """Make spans for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                self._export_one()
                await asyncio.sleep(0)

    def _export_one(self) -> None:
        request, bill = self._queue.popleft()
        trace = request.trace
        if trace is not None:
            for span in self._maker.spans(request, bill):
                self._assemble.end(trace.trace_id, span, remote=bool(trace.parent_id) and span.span_id == trace.span_id)

    async def close(self) -> None:
        """Export what is queued, and end the exporter, which waits a few seconds for a collector that is away."""
        while self._queue:
            self._export_one()
        await asyncio.to_thread(self._assemble.processor.shutdown)


class _Assembler:
    """Converts our spans into spans of the SDK."""

    def __init__(self, tracing: Tracing) -> None:
        try:
            from opentelemetry import trace  # noqa: PLC0415 - heavy, and an extra
            from opentelemetry.sdk import trace as sdk  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
            from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415

            self.processor = BatchSpanProcessor(_exporter(tracing))
        except ImportError as error:
            raise TracingError(MISSING.format(error.name or error)) from error
        except (ValueError, RuntimeError) as error:  # of some variables already when a module is imported
            raise _VariableError(
                f"OpenTelemetry refuses one of its variables, OTEL_…, in the environment: {escaped(str(error))}; "
                "correct or remove it"
            ) from error
        self._api, self._sdk = trace, sdk
        self._kinds = {name: trace.SpanKind[name.upper()] for name in ("server", "client", "internal")}
        self._scope = InstrumentationScope("cri_shim", cri_shim.__version__)
        created = Resource.create(
            {
                "service.name": tracing.service_name,
                "service.version": cri_shim.__version__,
                "host.name": socket.gethostname(),
                "process.pid": os.getpid(),
            }
        )
        # The host's name and OTEL_RESOURCE_ATTRIBUTES may hold bytes that are not UTF-8, and then no export succeeds.
        clean = {encodable(key): _clean(value) for key, value in created.attributes.items()}
        self._resource = Resource(clean, created.schema_url)

    def end(self, trace_id: str, span: Span, *, remote: bool) -> None:
        """Hand one span on; ``remote`` says that its parent is a span of another program."""
        self.processor.on_end(self._readable(trace_id, span, remote=remote))

    def _readable(self, trace_id: str, span: Span, *, remote: bool) -> ReadableSpan:
        trace, sdk = self._api, self._sdk
        number = int(trace_id, 16)
        sampled = trace.TraceFlags(trace.TraceFlags.SAMPLED)

        def context(span_id: str, *, is_remote: bool = False) -> Any:
            return trace.SpanContext(number, int(span_id, 16), is_remote=is_remote, trace_flags=sampled)

        status = trace.Status() if span.error is None else trace.Status(trace.StatusCode.ERROR, span.error)
        readable: ReadableSpan = sdk.ReadableSpan(
            span.name,
            context=context(span.span_id),
            parent=context(span.parent_id, is_remote=remote) if span.parent_id else None,
            resource=self._resource,
            attributes=span.attributes,
            events=[sdk.Event(event.name, event.attributes, event.at) for event in span.events],
            kind=self._kinds[span.kind],
            instrumentation_scope=self._scope,
            status=status,
            start_time=span.started,
            end_time=span.ended,
        )
        return readable


def _clean(value: Any) -> Any:
    return encodable(value) if isinstance(value, str) else value


def _exporter(tracing: Tracing) -> SpanExporter:
    if tracing.grpc:
        from opentelemetry.exporter.otlp.proto.grpc.exporter import (  # noqa: PLC0415 - an extra
            InvalidCompressionValueException,
        )
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter as GrpcExporter,
        )

        try:
            return GrpcExporter(endpoint=tracing.endpoint)
        except InvalidCompressionValueException as error:
            raise ValueError(str(error)) from error
    import requests  # noqa: PLC0415 - comes with the exporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra

    session = requests.Session()
    # A redirect is an error: the headers of exports, usually a login, are for the collector and no other server.
    session.max_redirects = 0
    return OTLPSpanExporter(endpoint=tracing.endpoint, session=session)
