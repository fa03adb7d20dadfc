"""A tiny comparison of the real bridge with the real plugin: every scenario once or twice, from set-up to report."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cri_shim.bench.floor.recipe import STATES
from cri_shim.bench.results.result_file import load
from cri_shim.bench.results.schema import KUBELET
from cri_shim.bench.scenario_table import SCENARIOS
from tests.clients.build import MISSING, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.bench.results.schema import Step

pytestmark = [pytest.mark.root, pytest.mark.timeout(900)]

TINY = (
    *("--rounds", "2", "--pods", "2", "--calls-at", "0,2", "--steady-at", "2", "--window", "2"),
    *("--rhythm", "back-to-back,10ms"),
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
    command = [sys.executable, "-m", "lab.compare", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            out, err = process.communicate(timeout=800)
        finally:
            process.terminate()  # one that still runs takes down what it has set up; it is waited for
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def made_by(pid: int | str) -> list[str]:
    """Cgroups of the comparison with this process id, under either version; ``*``: of all."""
    return [str(path) for place in ("*/", "") for path in CGROUPS.glob(f"{place}cri-compare-{pid}-*")]


def left_over() -> list[str]:
    """Cgroups of comparisons on this machine, and folders of the floor's scripts, that belong to no running one."""
    owners = {path: path.rpartition("cri-compare-")[2].split("-")[0] for path in made_by("*")}
    left = [path for path, pid in owners.items() if not Path("/proc", pid).exists()]
    scripts = STATES.iterdir() if STATES.exists() else ()
    return [*left, *(str(state) for state in scripts if not Path("/proc", state.name).exists())]


@pytest.fixture(autouse=True)
def _nothing_left_over():
    """A comparison leaves nothing behind; what others left before says nothing about this one."""
    before = set(left_over())
    yield
    assert set(left_over()) <= before


def test_every_scenario_on_both_sides(tmp_path):
    """All rounds of all scenarios are there, both sides did the same work, and the report is written."""
    done = compare(*TINY, "--output", str(tmp_path / "run.json"))
    assert done.returncode == 0, done.stderr
    run = load(tmp_path / "run.json")
    assert [side.name for side in run.sides] == ["plugin", "bridge"]
    ran = set(SCENARIOS) - {KUBELET}  # which needs a kubelet: test_kubelet.py
    assert {step.scenario for step in run.steps} == ran
    cpu: defaultdict[str, float] = defaultdict(float)
    for step in run.steps:
        assert [one.number for one in step.rounds] == [0, 1], step.name
        taking_part = ("plugin", "bridge", "floor") if step.scenario == "floor" else ("plugin", "bridge")
        assert [one.order for one in step.rounds] == [taking_part, taking_part[::-1]]
        for one in step.rounds:
            for side_run in (one.side_runs[side.name] for side in run.sides):
                assert all(side_run.samples[metric.key] for metric in step.metrics), step.name
                cpu[step.scenario] += side_run.cpu["machine"]  # in ticks of 10 ms: a turn of a few calls may take none
    assert all(cpu[scenario] > 0 for scenario in ran)
    assert run.parity is not None
    assert set(run.parity.facts) >= {"namespaces", "mounts", "cgroup values", "log lines", "reachability", "statistics"}
    assert run.parity.differences == ()
    assert {process.name for process in run.sides[1].processes} == {"cri-shim", "containerd"}
    for step in run.steps:
        if step.scenario in {"life", "exec", "calls"}:
            _bills_add_up(step)
    assert "pod start (3 RPCs): " in done.stdout
    assert "times the floor of this node" in done.stdout
    assert "2 pairs are too few" in (tmp_path / "run.html").read_text() or "no verdict" in done.stdout


def _bills_add_up(step: Step) -> None:
    """Each answer of the bridge has a bill; its parts are the wall time, and with the front hop what the client saw."""
    for one in step.rounds:
        side_run = one.side_runs["bridge"]
        assert not one.side_runs["plugin"].bills
        for rpc in (metric.key for metric in step.metrics if not metric.sum_of):
            bills = side_run.bills[rpc]
            assert bills.count == len(side_run.samples[rpc]), rpc
            for number, seen in enumerate(side_run.samples[rpc]):
                bill = {name: values[number] for name, values in bills.parts.items()}
                parts = sum(bill.get(name, 0.0) for name in ("transport", "work", "queue", "world"))
                assert parts == pytest.approx(bill["wall"], abs=0.005), rpc
                beside = bill.get("front", 0.0) + bill["not_accounted_for"]
                assert bill["wall"] + beside == pytest.approx(seen, abs=0.005), rpc


def test_a_client_in_c_makes_the_calls(tmp_path):
    """Pods are run and lists are asked for by it, on both sides; the result names it, and null calls show its share."""
    if MISSING:
        pytest.skip(MISSING)
    file = tmp_path / "run.json"
    chosen = ("--scenario", "life,calls", "--calls-at", "1", "--output", str(file))
    done = compare(*TINY, *chosen, "--client", str(build(tmp_path)))
    assert done.returncode == 0, done.stderr
    run = load(file)
    assert run.client is not None
    assert (run.client.name, run.client.command) == ("cri_client.c", str(tmp_path / "cri_client"))
    assert [step.name for step in run.steps] == ["life", "calls@1", "calls@1 every 10 ms"]
    for step in run.steps:
        for one in step.rounds:
            assert all(
                side_run.samples[metric.key] for side_run in one.side_runs.values() for metric in step.metrics
            ), step.name
            assert one.side_runs["bridge"].bills
    asked = {(each.client, each.side, each.rhythm) for each in run.null_calls}
    clients, rhythms = ("cri_client.c", "in-process Python"), ("back to back", "every 10 ms")
    assert asked == {(name, side, rhythm) for name in clients for side in ("plugin", "bridge") for rhythm in rhythms}
    assert "made and timed by **cri_client.c**" in file.with_suffix(".md").read_text()


def test_ended_on_the_way(tmp_path):
    """SIGTERM in the middle takes both sides down: no daemon, no pod, no mount, no bridge stays."""
    command = [sys.executable, "-m", "lab.compare", *TINY, "--output", str(tmp_path / "run.json")]
    with subprocess.Popen(command, env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        deadline = time.monotonic() + 120
        while not made_by(process.pid):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.terminate()
        process.wait(120)
    assert list(tmp_path.glob("compare-*")) == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert not [name for name in os.listdir("/sys/class/net") if name.startswith(f"lab{process.pid}-")]


LESS = ("--bridge", "runtime.enable_unprivileged_ports=false", "--scenario", "exec")


def test_a_side_that_does_less_is_distinguished(tmp_path):
    """With a setting that makes the bridge give its pods something else, that is in the result and in the report."""
    done = compare(*TINY, *LESS, "--output", str(tmp_path / "run.json"))
    assert done.returncode == 0, done.stderr
    assert "the sides do not do all of the same work: 1 fact differs (sysctls: 1)" in done.stderr
    parity = load(tmp_path / "run.json").parity
    assert parity is not None
    (difference,) = parity.differences
    assert difference.name == "/proc/sys/net/ipv4/ip_unprivileged_port_start"
    assert difference.values == {"plugin": "0", "bridge": "1024"}
    assert "ip_unprivileged_port_start" in (tmp_path / "run.md").read_text()


def test_parity_can_be_required(tmp_path):
    """The same run then fails, says what differs, and times nothing."""
    done = compare(*TINY, *LESS, "--require-parity", "--output", str(tmp_path / "run.json"))
    assert done.returncode == 1
    assert "do not do the same work" in done.stderr
    assert "ip_unprivileged_port_start" in done.stderr
    assert not (tmp_path / "run.json").exists()


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
