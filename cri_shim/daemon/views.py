"""Open the ledger's views that exist from the start: spans, metrics, and the local HTTP server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.daemon.about_node import about_node
from cri_shim.daemon.gauges import gauges
from cri_shim.explorer.http_server import HttpListener
from cri_shim.explorer.web_sources import WebSources
from cri_shim.rpc import RPCS, Kind
from cri_shim.telemetry.containerd_spans import ContainerdSpans
from cri_shim.telemetry.counts import Counts
from cri_shim.telemetry.prometheus import MetricsPage
from cri_shim.telemetry.span_export import span_export
from cri_shim.telemetry.span_forward import SpanForward

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Awaitable, Callable

    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.daemon.wiring import DaemonParts
    from cri_shim.ledger.ledger import Ledger
    from cri_shim.telemetry.loop_lag import LoopLag
    from cri_shim.telemetry.tracing import Tracing


def open_views(
    wired: DaemonParts, tracing: Tracing, lag: LoopLag, supervisor: Supervisor, stack: contextlib.AsyncExitStack
) -> None:
    """Attach all views to the ledger, and bind the HTTP server's port; ``stack`` closes them."""
    service = wired.service
    if (export := span_export(tracing, service.config.containerd.address)) is not None:
        service.ledger.listen(export)
        stack.push_async_callback(export.close)
        stack.callback(service.ledger.catch_up)  # before the export ends, so that it gets the last requests too
        supervisor.forever("spans", export.run)
    take_spans = _take_spans(tracing, service.ledger, supervisor)
    counts = Counts(spans=take_spans is not None)
    service.ledger.listen(counts)
    sources = WebSources(
        service.ledger,
        metrics=MetricsPage(counts, gauges(service, wired.pump, lag)).text,
        node=about_node(service, lag),
        take_spans=take_spans,
        reads=frozenset(name for name, rpc in RPCS.items() if rpc.kind is Kind.READ),
    )
    listener = HttpListener(service.config.http.address, service.paths.state, sources)
    listener.bind()
    stack.push_async_callback(listener.stop)
    supervisor.forever("http-socket", listener.watch)


def _take_spans(
    tracing: Tracing, ledger: Ledger, supervisor: Supervisor
) -> Callable[[bytes, str], Awaitable[bytes]] | None:
    """Return the function that receives containerd's own spans, or None if that is not configured."""
    if not tracing.receive:
        return None
    forward = SpanForward(tracing) if tracing.endpoint else None
    receiver = ContainerdSpans(ledger, None if forward is None else forward.put)
    ledger.listen(receiver)
    if forward is not None:
        supervisor.forever("span-forward", forward.run)
    return receiver.take
