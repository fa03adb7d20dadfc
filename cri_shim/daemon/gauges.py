"""The metrics beside the ledger's counts: numbers that the collaborators keep anyway, read at each scrape."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import cri_shim
from cri_shim.kernel.executors import queued
from cri_shim.telemetry.prometheus import Gauge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cri_shim.daemon.reload import Reloads
    from cri_shim.logs.pump import LogPump
    from cri_shim.service import Service
    from cri_shim.telemetry.counts import Labels
    from cri_shim.telemetry.loop_lag import LoopLag


def gauges(service: Service, pump: LogPump, lag: LoopLag, reloads: Reloads) -> list[Gauge]:
    """Return all gauges; docs/metrics.md lists them in a table."""
    ledger, readiness, puller = service.ledger, service.readiness, service.puller
    logs = pump.statistics
    return [
        Gauge("cri_shim_info", "Always 1; the version that runs.", ("version",), lambda: {(cri_shim.__version__,): 1}),
        _single(
            "cri_shim_ready", "1 while pods can run, 0 while containerd is away or silent.", lambda: readiness.healthy
        ),
        _single(
            "cri_shim_network_ready",
            "1 while pods can get a network, 0 without a usable CNI configuration.",
            lambda: service.network.ready,
        ),
        _single("cri_shim_connects_total", "Times containerd was found and read.", lambda: readiness.connects),
        _single(
            "cri_shim_null_call_seconds",
            "A call to containerd that does nothing, after a second of quiet; 0: not measured yet.",
            lambda: null_call.seconds if (null_call := ledger.transport.curve.at(1.0)) else 0.0,
        ),
        _single(
            "cri_shim_ledger_records_lost_total",
            "Requests whose record could not be kept.",
            lambda: ledger.lost,
        ),
        Gauge(
            "cri_shim_requests_in_flight",
            "CRI requests being worked on.",
            ("method",),
            lambda: _counted(request.method for request in ledger.active_requests.values()),
        ),
        _single(
            "cri_shim_operations_in_flight",
            "Mutations under way, those whose client has gone included.",
            lambda: len(service.operations),
        ),
        _single("cri_shim_event_loop_lag_seconds", "How late the event loop last was.", lambda: lag.last),
        _single("cri_shim_event_loop_lag_max_seconds", "How late it was at worst.", lambda: lag.greatest),
        Gauge(
            "cri_shim_executor_queue_length",
            "Blocking calls that wait for a thread.",
            ("executor",),
            lambda: {(name,): length for name, length in queued().items()},
        ),
        Gauge(
            "cri_shim_pods",
            "Pods by state.",
            ("state",),
            lambda: _counted("ready" if pod.ready else "notready" for pod in service.sandboxes),
        ),
        Gauge(
            "cri_shim_containers",
            "Containers by state.",
            ("state",),
            lambda: _counted(container.state_word for container in service.containers),
        ),
        _single("cri_shim_pulls_in_flight", "Images being pulled.", lambda: puller.in_flight),
        Gauge("cri_shim_pulls_total", "Pulls that have ended.", ("outcome",), lambda: _labelled(puller.outcomes)),
        Gauge(
            "cri_shim_pulled_bytes_total",
            "Bytes of layers, by the host that served them.",
            ("host",),
            lambda: _labelled(puller.bytes_by_host),
        ),
        _single("cri_shim_log_streams", "Pipes of containers that are read.", lambda: logs().streams),
        _single("cri_shim_log_bytes_total", "Bytes that containers wrote.", lambda: logs().bytes_read),
        _single("cri_shim_log_entries_total", "Entries written to log files.", lambda: logs().entries),
        _single("cri_shim_log_dropped_bytes_total", "Bytes that reached no log file.", lambda: logs().bytes_dropped),
        _single("cri_shim_log_write_errors_total", "Failed writes to log files.", lambda: logs().write_errors),
        Gauge(
            "cri_shim_config_reloads_total",
            "Times that the configuration was read again.",
            ("outcome",),
            lambda: _labelled(reloads.outcomes),
        ),
        _single(
            "cri_shim_config_keys_waiting",
            "Keys of the configuration file that wait for a restart.",
            lambda: len(reloads.waiting),
        ),
    ]


def _single(name: str, text: str, read: Callable[[], float]) -> Gauge:
    return Gauge(name, text, (), lambda: {(): read()})


def _counted(words: Iterable[str]) -> Mapping[Labels, float]:
    return _labelled(Counter(words))


def _labelled(counter: Mapping[str, int]) -> Mapping[Labels, float]:
    return {(word,): number for word, number in counter.items()}
