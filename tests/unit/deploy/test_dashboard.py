"""The dashboard and the documentation name the metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cri_shim.daemon.gauges import gauges

ROOT = Path(__file__).parents[3]
FROM_THE_LEDGER = {
    "cri_shim_request_duration_seconds",
    "cri_shim_request_part_seconds_total",
    "cri_shim_front_hop_seconds_total",
    "cri_shim_front_hop_requests_total",
    "cri_shim_price_error_seconds_total",
    "cri_shim_hop_duration_seconds",
    "cri_shim_hop_share_seconds_total",
    "cri_shim_hop_bytes_total",
    "cri_shim_hop_repeats_total",
    "cri_shim_hops_in_flight",
    "cri_shim_helper_duration_seconds",
}


def offered() -> set[str]:
    """The names of all gauges and of what the ledger counts; nothing is read, so nothing has to be there."""
    nothing: Any = SimpleNamespace(ledger=None, readiness=None, puller=None)
    return FROM_THE_LEDGER | {
        gauge.name for gauge in gauges(nothing, cast("Any", SimpleNamespace(statistics=None)), nothing)
    }


def test_the_dashboard_asks_for_metrics_that_exist():
    """Every cri_shim name in a panel's query is offered, histogram suffixes aside."""
    text = (ROOT / "deploy/grafana/cri-shim.json").read_text()
    asked = {re.sub(r"(?<=seconds)_(bucket|count|sum)$", "", name) for name in re.findall(r"cri_shim_\w+", text)}
    assert asked <= offered()
    assert json.loads(text)["panels"]


def test_the_dashboard_asks_for_no_part_that_goes_with_the_next_release():
    """The old names of parts are still counted, for dashboards of others."""
    text = (ROOT / "deploy/grafana/cri-shim.json").read_text()
    assert not re.findall(r"extra\W|awaited", text.replace("The price of the extra hop", ""))


@pytest.mark.parametrize(
    "panel", json.loads((ROOT / "deploy/grafana/cri-shim.json").read_text())["panels"], ids=lambda p: p["title"]
)
def test_panels_do_not_overlap(panel):
    """Each lies within the 24 columns of the grid."""
    place = panel["gridPos"]
    assert place["x"] + place["w"] <= 24


def test_the_documentation_lists_every_metric():
    """docs/metrics.md is complete, and names nothing that has gone."""
    documented = set(re.findall(r"`(cri_shim_\w+)`", (ROOT / "docs/metrics.md").read_text()))
    assert documented == offered()
