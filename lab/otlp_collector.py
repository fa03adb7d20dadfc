"""A collector of spans for tests: OTLP over HTTP on loopback, which keeps everything in memory."""

from __future__ import annotations

import http.server
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from lab.patience import patient

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER, CLIENT, INTERNAL = 2, 3, 1


@dataclass(frozen=True, slots=True)
class Span:
    """One span as it was received; times in seconds."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    started: float
    seconds: float
    attributes: dict[str, Any]
    error: bool


class OtlpCollector:
    """``with OtlpCollector() as collector``: ``collector.url`` is the address to export to."""

    def __init__(self) -> None:
        self._spans: dict[str, Span] = {}
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector._take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Print nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The URL, without a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Start listening."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def spans(self, trace_id: str = "") -> list[Span]:
        """Return the spans so far, of one trace or of all."""
        return [span for span in list(self._spans.values()) if not trace_id or span.trace_id == trace_id]

    def until(self, enough: Callable[[list[Span]], bool], trace_id: str = "", seconds: float = 40) -> list[Span]:
        """Wait until ``enough`` accepts the spans, and return them. Blocks: call it in a thread."""
        deadline = time.monotonic() + patient(seconds)
        while not enough(spans := self.spans(trace_id)):
            names = sorted({f"{span.service} {span.name}" for span in spans})
            assert time.monotonic() < deadline, f"not within {seconds} s; there is {names}"
            time.sleep(0.1)
        return spans

    def _take(self, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _values(resource.resource.attributes).get("service.name", "")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self._spans[span.span_id.hex()] = Span(
                        service,
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.kind,
                        span.start_time_unix_nano / 1e9,
                        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                        _values(span.attributes),
                        span.status.code == 2,
                    )


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in pairs}
