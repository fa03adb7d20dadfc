"""The metrics page: the counts of the ledger and the gauges of the daemon, in Prometheus' formats.

Base units (seconds, bytes), ``_total`` on values that only grow, one prefix. prometheus_client writes the formats and
is loaded with the first scrape; a daemon that is never scraped does not carry it. docs/metrics.md lists every name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cri_shim.telemetry.counts import Counts, Labels
    from cri_shim.telemetry.histogram import Histogram

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""The format that has exemplars: durations with the trace in which they can be looked at."""


class Gauge(Struct, frozen=True):
    """A number that another part of the daemon knows, read at each scrape.

    ``read`` returns values by the values of ``labels``; a name that ends with ``_total`` is a counter.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    read: Callable[[], Mapping[Labels, float]]


class MetricsPage:
    """The page: the ledger's counts and the values of ``gauges``."""

    def __init__(self, counts: Counts, gauges: Iterable[Gauge]) -> None:
        self._counts = counts
        self._gauges = tuple(gauges)

    def page(self, accept: str = "") -> tuple[bytes, str]:
        """Return the page and its content type.

        It is in the format of OpenMetrics if ``accept``, the header of the request, names it, as Prometheus does; else
        in Prometheus' older text format.
        """
        # prometheus_client is loaded with the first scrape.
        from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # noqa: PLC0415
        from prometheus_client.openmetrics import exposition  # noqa: PLC0415

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        ProcessCollector(registry=registry)  # CPU seconds, memory, file descriptors, under their usual names
        if "application/openmetrics-text" in accept:
            return exposition.generate_latest(registry), OPEN_METRICS  # type: ignore[no-untyped-call]
        return generate_latest(registry), TEXT

    def collect(self) -> Iterator[Any]:
        """Yield all families; prometheus_client calls this."""
        from prometheus_client import core  # noqa: PLC0415 - with the first scrape

        counts = self._counts
        yield _histogram(
            "cri_shim_request_duration_seconds",
            "CRI requests, from the first byte read to the last byte written.",
            ("method", "api", "code"),
            counts.requests,
        )
        yield _histogram(
            "cri_shim_hop_duration_seconds",
            "Calls to containerd, repeats included.",
            ("method", "code"),
            counts.hops,
        )
        yield _histogram(
            "cri_shim_helper_duration_seconds",
            "Runs of CNI plugins.",
            ("plugin", "command", "outcome"),
            counts.helpers,
        )
        for name, text, labels, values in (
            (
                "cri_shim_request_part_seconds",
                "What requests are made of: transport, work, queue and world add up to their wall time.",
                ("method", "part"),
                counts.parts,
            ),
            (
                "cri_shim_front_hop_seconds",
                "Hops between client and daemon; how they are known.",
                ("method", "known"),
                counts.front_seconds,
            ),
            (
                "cri_shim_front_hop_requests",
                "Requests by how their front hop is known.",
                ("method", "known"),
                counts.front_requests,
            ),
            (
                "cri_shim_price_error_seconds",
                "How far the sums of the part price may be off.",
                ("method",),
                counts.price_errors,
            ),
            (
                "cri_shim_hop_share_seconds",
                "Hops of requests, split into containerd's work and transport; how that is known.",
                ("method", "share", "split"),
                counts.shares,
            ),
            ("cri_shim_hop_bytes", "Serialised messages of hops.", ("method", "direction"), counts.bytes),
            ("cri_shim_hop_repeats", "Attempts beyond the first.", ("method",), counts.repeats),
        ):
            counter = core.CounterMetricFamily(name, text, labels=labels)
            for key, value in _by_label(values):
                counter.add_metric(key, value)
            yield counter
        in_flight = core.GaugeMetricFamily("cri_shim_hops_in_flight", "Calls to containerd under way.")
        in_flight.add_metric((), counts.hops_in_flight)
        yield in_flight
        for gauge in self._gauges:
            counts_up = gauge.name.endswith("_total")
            family = core.CounterMetricFamily if counts_up else core.GaugeMetricFamily
            metric = family(gauge.name, gauge.help, labels=gauge.labels)
            for key, value in _by_label(gauge.read()):
                metric.add_metric(key, value)
            yield metric


def _by_label(values: Mapping[Labels, float]) -> list[tuple[Labels, float]]:
    """Return values in order of their labels.

    The names of hosts and plugins are escaped, because a single bad one would cost the whole page.
    """
    cleaned: dict[Labels, float] = {}
    for key, value in values.items():
        shown = tuple(map(escaped, key))
        cleaned[shown] = cleaned.get(shown, 0.0) + value
    return sorted(cleaned.items())


def _histogram(name: str, text: str, labels: tuple[str, ...], histograms: Mapping[Labels, Histogram]) -> Any:
    from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415 - with the first scrape

    family = HistogramMetricFamily(name, text, labels=labels)
    for key, histogram in sorted(histograms.items()):
        family.add_metric(tuple(map(escaped, key)), buckets=_buckets(histogram), sum_value=histogram.total)
    return family


def _buckets(histogram: Histogram) -> list[Any]:
    """Return the buckets with their exemplars, which only OpenMetrics shows."""
    from prometheus_client.samples import Exemplar  # noqa: PLC0415 - with the first scrape

    known = histogram.exemplars
    return [
        (bound, count, Exemplar({"trace_id": known[place].trace_id}, known[place].seconds, known[place].at))
        if place in known
        else (bound, count)
        for place, (bound, count) in enumerate(histogram.cumulative())
    ]
