"""The alert rules, judged by Prometheus's own promtool: each fires for what it is about, and for nothing near it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lab.debian.packages import NotAvailableError
from lab.debian.promtool import promtool

if TYPE_CHECKING:
    from collections.abc import Mapping

RULES = Path(__file__).parents[3] / "deploy/prometheus/alerts.yml"
ALL: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}
NODE = 'instance="n"'
JOB = f'job="cri-shim", {NODE}'


@dataclass(frozen=True)
class Case:
    """Series, one value a minute, with which a rule fires at a time, and some with which it does not.

    Its alert has ``labels`` besides the severity, and shows ``value``.
    """

    at: str
    fires: Mapping[str, str]
    quiet: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=lambda: {"instance": "n"})
    value: str = ""


def requests(outcomes: Mapping[str, str], metric: str = "request", label: str = "code") -> dict[str, str]:
    """Return counters of requests, hops or helpers by their outcome."""
    name = f"cri_shim_{metric}_duration_seconds_count"
    return {f'{name}{{{NODE}, {label}="{outcome}"}}': values for outcome, values in outcomes.items()}


def helpers(succeeded: str, failed: str) -> dict[str, str]:
    """Return counters of the runs of one CNI plugin."""
    name = "cri_shim_helper_duration_seconds_count"
    return {
        f'{name}{{{NODE}, plugin="bridge", outcome="{outcome}"}}': values
        for outcome, values in (("ok", succeeded), ("failed", failed))
    }


def pulls(succeeded: str, failed: str) -> dict[str, str]:
    """Return counters of pulls by their outcome."""
    return {
        f'cri_shim_pulls_total{{{NODE}, outcome="{outcome}"}}': values
        for outcome, values in (("ok", succeeded), ("failed", failed))
    }


def price(seconds: str) -> dict[str, str]:
    """Return what all requests have cost, of which there is one a second."""
    parts = {"price": seconds, "work": "0+60x60"}
    name = "cri_shim_request_part_seconds_total"
    return {f'{name}{{{NODE}, part="{part}"}}': values for part, values in parts.items()} | requests({"OK": "0+60x60"})


def both(one: str, other: str) -> dict[str, str]:
    """Return the counters of lost output: bytes, and failed writes."""
    return {
        f"cri_shim_log_dropped_bytes_total{{{NODE}}}": one,
        f"cri_shim_log_write_errors_total{{{NODE}}}": other,
    }


WITH_JOB = {"job": "cri-shim", "instance": "n"}
CASES = {
    "CriShimAway": Case("3m", {f"up{{{JOB}}}": "0x9"}, {f"up{{{JOB}}}": "0 1 0 1 0", 'up{job="x"}': "0x9"}, WITH_JOB),
    "CriShimContainerdAway": Case("3m", {f"cri_shim_ready{{{NODE}}}": "0x9"}, {f"cri_shim_ready{{{NODE}}}": "1 0 0 1"}),
    "CriShimNetworkNotReady": Case(
        "6m", {f"cri_shim_network_ready{{{NODE}}}": "0x9"}, {f"cri_shim_network_ready{{{NODE}}}": "0 0 0 0 1x9"}
    ),
    "CriShimContainerdUnstable": Case(
        "30m",
        {f"cri_shim_connects_total{{{NODE}}}": "1+1x30"},
        {f"cri_shim_connects_total{{{NODE}}}": "1 1 1 2x30"},
        value="30",
    ),
    "CriShimLoopLag": Case(
        "10m",
        {f"cri_shim_event_loop_lag_seconds{{{NODE}}}": "0.75x20"},
        {f"cri_shim_event_loop_lag_seconds{{{NODE}}}": "0.75 0 0.75 0 0.75 0 0.75 0 0.75 0 0.75"},
        value="750ms",
    ),
    "CriShimRequestsFail": Case(
        "25m",
        requests({"OK": "0+90x30", "UNKNOWN": "0+10x30"}),
        requests({"OK": "0+90x30", "NOT_FOUND": "0+50x30", "CANCELLED": "0+50x30", "UNKNOWN": "0+1x30"}),
    ),
    "CriShimHopsFail": Case(
        "25m",
        requests({"OK": "0+90x30", "UNAVAILABLE": "0+10x30"}, "hop"),
        requests({"OK": "0+90x30", "NOT_FOUND": "0+50x30", "INTERNAL": "0+1x30"}, "hop"),
    ),
    "CriShimNetworkPluginsFail": Case(
        "25m",
        helpers("0+10x30", "0+10x30"),
        helpers("0+10x30", "0+1x30"),
        {"instance": "n", "plugin": "bridge"},
    ),
    "CriShimPullsFail": Case("30m", pulls("0x30", "0+1x30"), pulls("0+2x30", "0+1x30")),
    "CriShimHopPrice": Case("50m", price("0+6x60"), price("0+0.6x60"), value="100ms"),
    "CriShimLogsLost": Case("15m", both("0x20", "0 0 1x20"), both("7x20", "7x20")),
    "CriShimDescriptors": Case(
        "12m",
        {f"process_open_fds{{{JOB}}}": "900x20", f"process_max_fds{{{JOB}}}": "1000x20"},
        {f"process_open_fds{{{JOB}}}": "700x20", f"process_max_fds{{{JOB}}}": "1000x20"},
        WITH_JOB,
        "900",
    ),
    "CriShimConfigurationRefused": Case(
        "30m",
        {f'cri_shim_config_reloads_total{{{NODE}, outcome="refused"}}': "0 0 1x60"},
        {f'cri_shim_config_reloads_total{{{NODE}, outcome="applied"}}': "0 0 1x60"},
        {"instance": "n", "outcome": "refused"},
    ),
    "CriShimRestartNeeded": Case(
        "25h",
        {f"cri_shim_config_keys_waiting{{{NODE}}}": "2x1600"},
        {f"cri_shim_config_keys_waiting{{{NODE}}}": "2x1400 0x200"},
        value="2",
    ),
}


@pytest.fixture(scope="module")
def program():
    """Skip where there is neither the program nor a way to Debian's archive."""
    try:
        return promtool()
    except NotAvailableError as error:
        pytest.skip(f"no promtool: {error}")


def shown(text: str, case: Case) -> str:
    """Return what becomes of the text of an annotation."""
    text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: case.labels[match[1]], text)
    return re.sub(r"\{\{ \$value(?: \| \w+)? \}\}", case.value, text)


def test_every_rule_is_tried():
    """A new one, too."""
    assert CASES.keys() == ALL.keys()


def test_the_file_is_accepted(program):
    """As it is delivered."""
    done = subprocess.run([program, "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(ALL)} rules found" in done.stdout


def test_each_rule_fires_for_what_it_is_about_and_not_for_less(program, tmp_path):
    """With its labels and the sentences that an operator reads, in which all values are put in."""
    tests = []
    for name, case in CASES.items():
        rule = ALL[name]
        alert = {
            "exp_labels": {**case.labels, **rule["labels"]},
            "exp_annotations": {key: shown(text, case) for key, text in rule["annotations"].items()},
        }
        for series, expected in ((case.fires, [alert]), (case.quiet, [])):
            tests.append(
                {
                    "name": name,
                    "interval": "1m",
                    "input_series": [{"series": key, "values": values} for key, values in series.items()],
                    "alert_rule_test": [{"eval_time": case.at, "alertname": name, "exp_alerts": expected}],
                }
            )
    file = tmp_path / "cases.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run([program, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
