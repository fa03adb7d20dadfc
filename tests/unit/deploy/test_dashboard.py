"""The dashboard and the documentation name the metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cri_shim.daemon.gauges import gauges
from cri_shim.telemetry.counts import Counts
from cri_shim.telemetry.prometheus import MetricsPage

ROOT = Path(__file__).parents[3]


def offered() -> set[str]:
    """The names of all gauges and of what the ledger counts; nothing is read, so nothing has to be there."""
    nothing: Any = SimpleNamespace(ledger=None, readiness=None, puller=None)
    of_the_daemon = gauges(nothing, cast("Any", SimpleNamespace(statistics=None)), nothing, nothing)
    of_the_ledger = MetricsPage(Counts(), ()).collect()
    return {gauge.name for gauge in of_the_daemon} | {
        f"{family.name}_total" if family.type == "counter" else family.name for family in of_the_ledger
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


def queries(title: str) -> list[str]:
    panels = json.loads((ROOT / "deploy/grafana/cri-shim.json").read_text())["panels"]
    (panel,) = [panel for panel in panels if panel["title"] == title and "targets" in panel]
    return [target["expr"] for target in panel["targets"]]


@pytest.mark.parametrize(
    "title",
    ["Pods", "Containers", "Requests", "Failures", "Repeats", "Failed hops", "Pulled bytes", "Bytes", "In flight"],
)
def test_a_panel_shows_0_where_nothing_happened(title):
    """A series that does not exist yet means 0, as long as the daemon is there; an absent daemon stays unknown."""
    assert any(re.search(r" or (on \(instance\) )?0 \* (sum\()?cri_shim_ready\{", query) for query in queries(title))


def test_no_panel_shows_0_for_what_is_unknown():
    """``vector(0)`` would also be there while no daemon is."""
    assert "vector(0)" not in (ROOT / "deploy/grafana/cri-shim.json").read_text()
