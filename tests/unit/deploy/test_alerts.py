"""The alert rules: valid, with texts that an operator can act on, about metrics and log events that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.deploy.test_dashboard import offered

ROOT = Path(__file__).parents[3]
FILE = ROOT / "deploy/prometheus/alerts.yml"
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]]
OF_PROMETHEUS = {"up", "process_open_fds", "process_max_fds"}
CALL = re.compile(r"\b(?:sum|rate|increase|min_over_time|by|and|or)\b")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_has_all_that_an_operator_needs(rule: dict[str, Any]) -> None:
    """A severity, a sentence with the node in it, and what to look at."""
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"CriShim[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert "{{ $labels.instance }}" in rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    """A rule about a metric that has gone would never fire, and nobody would notice."""
    words = re.sub(r"\{[^}]*\}|\[[^]]*\]|by \([^)]*\)", "", rule["expr"])
    names = {name for name in re.findall(r"[a-z_]{2,}", CALL.sub("", words)) if not name.isdigit()}
    assert names
    assert {re.sub(r"(?<=seconds)_count$", "", name) for name in names} <= offered() | OF_PROMETHEUS


def test_every_rule_has_a_name_of_its_own() -> None:
    """Alertmanager tells alerts apart by it."""
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names) > 10


def test_a_rule_names_log_events_that_there_are() -> None:
    """docs/logs.md lists all of them."""
    events = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", (ROOT / "docs/logs.md").read_text()))
    named = set(re.findall(r"\b(?:network|daemon|rpc)\.[a-z_]+\b", FILE.read_text()))
    assert named
    assert named <= events


def test_the_documentation_lists_every_rule() -> None:
    """docs/metrics.md is complete, with the severities of the file."""
    rows = re.findall(r"^\| `(CriShim\w+)` \| (\w+) \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    assert rows == [(rule["alert"], rule["labels"]["severity"]) for rule in RULES]
