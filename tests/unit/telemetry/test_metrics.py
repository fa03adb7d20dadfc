"""Metrics are the ledger's records, counted: sums, buckets and labels as Prometheus reads them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from containerd_client.hops import Hop
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.trace_context import TraceContext
from cri_shim.ledger.transport.estimate import Estimate
from cri_shim.network.exec import Helper
from cri_shim.telemetry.counts import Counts
from cri_shim.telemetry.histogram import SECONDS, Histogram
from cri_shim.telemetry.prometheus import Gauge, MetricsPage
from cri_shim.timeline import Stretch

if TYPE_CHECKING:
    from cri_shim.ledger.bill import FrontKnown


def scraped(page):
    """Every sample of a scrape: name and labels to value."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.page()[0].decode())
        for sample in family.samples
    }


@given(st.lists(st.floats(0, 100), max_size=30))
def test_each_bucket_counts_what_is_no_longer_than_its_bound(durations):
    """Compared with counting by hand, bounds included."""
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    assert [count for _, count in histogram.cumulative()] == [
        *(sum(duration <= bound for duration in durations) for bound in SECONDS),
        len(durations),
    ]
    assert histogram.total == pytest.approx(sum(durations))


def test_a_scrape_shows_what_the_bill_says():
    """One request with a repeated hop and a failed plugin: every figure appears under its name."""
    ledger = Ledger()
    ledger.transport.curve.note(1.0, 0.001)
    counts = Counts()
    ledger.listen(counts)
    request = ledger.open("RunPodSandbox")
    started = time.perf_counter()
    ledger.note_call("s.Tasks/Create", started)
    ledger.note_hop(Hop("s.Tasks/Create", started, 0.004, 100, 20, 3, "OK"))
    ledger.note_helper(Helper("bridge", "ADD", started, 0.03, 1))
    ledger.close(request, "UNAVAILABLE", "no")
    ledger.note_call("s.Events/Subscribe", started)
    page = MetricsPage(counts, [Gauge("cri_shim_pods", "Pods.", ("state",), lambda: {("ready",): 3})])
    values = scraped(page)
    of = ("method", "RunPodSandbox")
    assert (
        values["cri_shim_request_duration_seconds_sum", ("api", "v1"), ("code", "UNAVAILABLE"), of] == request.bill.wall
    )
    assert values["cri_shim_request_part_seconds_total", of, ("part", "hops")] == pytest.approx(0.004)
    assert values["cri_shim_request_part_seconds_total", of, ("part", "helpers")] == pytest.approx(0.03)
    assert values["cri_shim_request_part_seconds_total", of, ("part", "own")] == request.bill.own
    for part in ("front", "transport", "work", "work_cpu", "world", "price"):
        assert values["cri_shim_request_part_seconds_total", of, ("part", part)] == getattr(request.bill, part)
    hop = ("method", "s.Tasks/Create")
    assert values["cri_shim_hop_duration_seconds_count", ("code", "OK"), hop] == 1
    assert values["cri_shim_hop_duration_seconds_bucket", ("code", "OK"), ("le", "0.003"), hop] == 0
    assert values["cri_shim_hop_duration_seconds_bucket", ("code", "OK"), ("le", "0.005"), hop] == 1
    assert values["cri_shim_hop_bytes_total", ("direction", "out"), hop] == 100
    assert values["cri_shim_hop_repeats_total", hop] == 2
    share = ("split", "estimate")
    assert values["cri_shim_hop_share_seconds_total", hop, ("share", "transport"), share] == pytest.approx(0.001)
    assert values["cri_shim_hop_share_seconds_total", hop, ("share", "daemon"), share] == pytest.approx(0.003)
    ran = (("command", "ADD"), ("outcome", "failed"), ("plugin", "bridge"))
    assert values["cri_shim_helper_duration_seconds_count", *ran] == 1
    assert values[("cri_shim_hops_in_flight",)] == 1
    assert values["cri_shim_pods", ("state", "ready")] == 3
    assert values[("process_resident_memory_bytes",)] > 0


def test_the_price_is_counted_by_how_it_is_known(monkeypatch):
    """Front hops that were measured, estimated and not known apart; what may be off is added up beside."""
    ledger = Ledger()
    counts = Counts()
    ledger.listen(counts)
    fronts: tuple[tuple[FrontKnown, float, float], ...] = (
        ("measured", 0.002, 0.0002),
        ("estimate", 0.003, 0.001),
        ("none", 0.0, 0.0),
    )
    monkeypatch.setattr(ledger.front, "charge_answer", lambda _request, _code: None)
    for known, seconds, error in fronts:
        request = ledger.open("ListPodSandbox")
        request.front_known = known
        if known != "none":
            request.way_in = request.way_out = Estimate(seconds / 2, error / 2)
        ledger.close(request)
    values = scraped(MetricsPage(counts, []))
    of = ("method", "ListPodSandbox")
    assert values["cri_shim_front_hop_seconds_total", ("known", "measured"), of] == pytest.approx(0.002)
    assert values["cri_shim_front_hop_seconds_total", ("known", "estimate"), of] == pytest.approx(0.003)
    assert ("cri_shim_front_hop_seconds_total", ("known", "none"), of) not in values
    for known, _, _ in fronts:
        assert values["cri_shim_front_hop_requests_total", ("known", known), of] == 1
    assert values["cri_shim_request_part_seconds_total", of, ("part", "front")] == pytest.approx(0.005)
    assert values["cri_shim_price_error_seconds_total", of] == pytest.approx(0.0012)


def test_the_two_old_parts_live_one_release_more():
    """``extra`` has the queue and all transport in it, ``awaited`` is own time that waits for the world."""
    ledger = Ledger()
    counts = Counts()
    ledger.listen(counts)
    ledger.transport.curve.note(1.0, 0.001)
    request = ledger.open("StopContainer")
    request.started = begun = request.started - 0.1
    ledger.note_call("s.Tasks/Kill", begun)
    ledger.note_hop(Hop("s.Tasks/Kill", begun, 0.01, 1, 1, 1, "OK"))
    request.waits = [Stretch("turn", begun + 0.02, 0.02), Stretch("exit", begun + 0.05, 0.03)]
    ledger.close(request)
    parts = {part: seconds for (_, part), seconds in counts.parts.items()}
    assert parts["queue"] == pytest.approx(0.02)
    assert parts["awaited"] == pytest.approx(0.03)
    assert parts["extra"] == pytest.approx(0.001 + parts["work"] + 0.02)
    assert parts["price"] == pytest.approx(parts["extra"] - parts["queue"])


def test_shares_wait_for_containerds_spans_when_it_sends_them():
    """With spans expected, a traced request's hops are not first estimated and counted again later."""
    ledger = Ledger()
    ledger.transport.curve.note(1.0, 0.001)
    counts = Counts(spans=True)
    ledger.listen(counts)
    request = ledger.open("Status", trace=TraceContext("a" * 32, "b" * 16))
    trace = ledger.note_call("m", request.started)
    ledger.note_hop(Hop("m", request.started, 0.010, 1, 1, 1, "OK", trace))
    ledger.close(request)
    assert not counts.shares
    request.server_spans = {trace[36:52]: 0.004}
    ledger.rebill(request, {trace[36:52]})
    ledger.rebill(request, set())  # of another hop, in an export of its own
    assert dict(counts.shares) == {("m", "daemon", "spans"): 0.004, ("m", "transport", "spans"): pytest.approx(0.006)}


def a_traced_request(*, exported: bool) -> MetricsPage:
    """The page after one request with a trace and one without."""
    ledger = Ledger()
    counts = Counts()
    ledger.listen(counts)
    trace = TraceContext("0ff1ce00" * 4, "b" * 16, exported=exported)
    for each in (trace, None):
        request = ledger.open("RunPodSandbox", trace=each)
        request.started -= 0.12
        ledger.close(request)
    return MetricsPage(counts, [Gauge("cri_shim_pulls_total", "Pulls.", ("outcome",), lambda: {("ok",): 3})])


ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
"""What Prometheus sends."""


def test_durations_of_traced_requests_have_exemplars() -> None:
    """In the format that has them, with the trace to look at, beside the same numbers as in the older format."""
    page = a_traced_request(exported=True)
    text, content_type = page.page(ACCEPT)
    assert content_type.startswith("application/openmetrics-text")
    samples = [sample for family in open_metrics(text.decode()) for sample in family.samples]
    (exemplar,) = [sample.exemplar for sample in samples if sample.exemplar is not None]
    assert exemplar.labels == {"trace_id": "0ff1ce00" * 4}
    assert exemplar.value == pytest.approx(0.12, abs=0.05)
    assert abs(float(exemplar.timestamp) - time.time()) < 60
    numbers = {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}
    older = scraped(page)
    assert ("cri_shim_pulls_total", ("outcome", "ok")) in older
    changing = "process_"
    assert {key: value for key, value in numbers.items() if not str(key[0]).startswith(changing)} == {
        key: value for key, value in older.items() if not str(key[0]).startswith(changing)
    }


def test_a_trace_that_is_not_exported_is_no_exemplar() -> None:
    """Nobody could look at it."""
    text, _ = a_traced_request(exported=False).page(ACCEPT)
    assert b"trace_id" not in text


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain;version=0.0.4"])
def test_other_readers_get_the_older_format(accept: str) -> None:
    """It has no place for exemplars."""
    text, content_type = a_traced_request(exported=True).page(accept)
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"trace_id" not in text
    assert b"# EOF" not in text
