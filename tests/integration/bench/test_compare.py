"""A tiny comparison of the real bridge with the real plugin: every scenario once or twice, from set-up to report."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cri_shim.bench.result_file import load
from cri_shim.bench.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.timeout(900)]

TINY = (
    *("--rounds", "2", "--pods", "2", "--calls-at", "0,2", "--steady-at", "2", "--window", "2"),
    *("--log-mib", "1", "--stream-mib", "2", "--pull-mib", "16"),
)
CGROUPS = Path("/sys/fs/cgroup")


@pytest.fixture(autouse=True)
def _needs_root() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    yield


def compare(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run what ``make compare`` runs, in a process of its own: the client brings its own event loop."""
    command = [sys.executable, "-m", "tests.lab.compare", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=800, check=False)


def left_over() -> list[str]:
    """Cgroups and network namespaces of comparisons on this machine that belong to no running one."""
    found = [str(path) for path in CGROUPS.glob("*/cri-compare-*")] + [
        str(path) for path in CGROUPS.glob("cri-compare-*")
    ]
    return [path for path in found if not Path("/proc", path.rpartition("cri-compare-")[2].split("-")[0]).exists()]


def test_every_scenario_on_both_sides(tmp_path):
    """All rounds of all scenarios are there, both sides did the same work, and the report is written."""
    done = compare(*TINY, "--output", str(tmp_path / "run.json"))
    assert done.returncode == 0, done.stderr
    run = load(tmp_path / "run.json")
    assert [side.name for side in run.sides] == ["plugin", "bridge"]
    assert {step.scenario for step in run.steps} == set(SCENARIOS)
    for step in run.steps:
        assert [one.number for one in step.rounds] == [0, 1], step.name
        assert [one.order for one in step.rounds] == [("plugin", "bridge"), ("bridge", "plugin")]
        for one in step.rounds:
            for turn in one.turns.values():
                assert all(turn.samples[metric.key] for metric in step.metrics), step.name
                assert turn.cpu["machine"] > 0
    assert run.parity is not None
    assert set(run.parity.facts) >= {"namespaces", "mounts", "cgroup values", "log lines", "reachability"}
    assert {process.name for process in run.sides[1].processes} == {"cri-shim", "containerd"}
    assert "2 pairs are too few" in (tmp_path / "run.html").read_text() or "no verdict" in done.stdout
    assert not left_over()


def test_a_side_that_does_less_is_not_timed(tmp_path):
    """With a setting that makes the bridge give its pods something else, the run fails, says what, times nothing."""
    done = compare(*TINY, "--bridge", "runtime.enable_unprivileged_ports=false", "--output", str(tmp_path / "run.json"))
    assert done.returncode == 1
    assert "do not do the same work" in done.stderr
    assert "ip_unprivileged_port_start" in done.stderr
    assert not (tmp_path / "run.json").exists()
    assert not left_over()


def test_it_goes_on_with_what_there_is(tmp_path):
    """The same command again adds only rounds that are missing, and keeps those that there are."""
    file = tmp_path / "run.json"
    chosen = ("--scenario", "exec", "--output", str(file))
    first = compare(*TINY, *chosen)
    assert first.returncode == 0, first.stderr
    before = load(file)
    more = compare(*TINY, *chosen, "--rounds", "3")
    assert more.returncode == 0, more.stderr
    after = load(file)
    assert after.steps[0].rounds[:2] == before.steps[0].rounds
    assert [one.number for one in after.steps[0].rounds] == [0, 1, 2]
    assert len(after.resumed_at) == 1
