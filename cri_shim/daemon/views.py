"""Open the ledger's views that exist from the start: spans, metrics, and the local HTTP server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.daemon.about_node import about_node
from cri_shim.daemon.about_pods import about_pods
from cri_shim.daemon.gauges import gauges
from cri_shim.daemon.trace_views import TraceViews, senders
from cri_shim.explorer.http_server import HttpListener
from cri_shim.explorer.web_sources import WebSources
from cri_shim.rpc import RPCS, Kind
from cri_shim.telemetry.counts import Counts
from cri_shim.telemetry.prometheus import MetricsPage

if TYPE_CHECKING:
    import contextlib

    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.daemon.reload import Reloads
    from cri_shim.daemon.wiring import DaemonParts
    from cri_shim.telemetry.loop_lag import LoopLag
    from cri_shim.telemetry.tracing import Tracing


def open_views(
    wired: DaemonParts,
    tracing: Tracing,
    *,
    lag: LoopLag,
    reloads: Reloads,
    supervisor: Supervisor,
    stack: contextlib.AsyncExitStack,
) -> TraceViews:
    """Attach all views to the ledger, and bind the HTTP server's port; ``stack`` closes them.

    Return those that send spans, because they can be changed.
    """
    service = wired.service
    traces = TraceViews(service.ledger, supervisor)
    take_spans = traces.receive() if tracing.receive else None
    traces.use(senders(tracing, service.config.containerd.address))
    stack.push_async_callback(traces.close)
    counts = Counts(spans=take_spans is not None)
    service.ledger.listen(counts)
    sources = WebSources(
        service.ledger,
        metrics=MetricsPage(counts, gauges(service, wired.pump, lag, reloads)).page,
        node=about_node(service, lag),
        take_spans=take_spans,
        pods=about_pods(service.sandboxes, service.containers),
        reads=frozenset(name for name, rpc in RPCS.items() if rpc.kind is Kind.READ),
    )
    listener = HttpListener(service.config.http.address, service.paths.state, sources, service.facts.note_http)
    listener.bind()
    stack.push_async_callback(listener.stop)
    supervisor.forever("http-socket", listener.watch)
    return traces
