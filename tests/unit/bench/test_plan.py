"""What a run consists of."""

from __future__ import annotations

import pytest

from cri_shim.bench.options import Options
from cri_shim.bench.plan import plan
from cri_shim.bench.scenario_table import SCENARIOS
from cri_shim.bench.start import expected_seconds


def test_the_default_plan_has_every_scenario():
    """All of them, the periodic calls at 0, 35, 105 and 250 pods, with 0 at three rhythms, the steady state at 105."""
    names = [task.step.name for task in plan(Options(pull_image="r/i:1"))]
    assert {name.partition("@")[0] for name in names} == set(SCENARIOS) - {"kubelet"}
    calls = {"calls", "calls@0 every 40 ms", "calls@0 every 1 s", "calls@35", "calls@105", "calls@250"}
    assert {name for name in names if name.startswith("calls")} == calls
    assert "steady@105" in names


def test_idle_pods_only_grow():
    """Few first, so that pods are started once and removed once."""
    counts = [task.step.pods for task in plan(Options())]
    assert counts == sorted(counts)


def test_the_default_run_is_expected_within_twenty_minutes_or_so():
    """Two sides, with warming up and the idle pods."""
    assert expected_seconds(plan(Options(pull_image="r/i:1")), 2, 1) < 21 * 60


def test_each_rhythm_is_a_step_at_each_density():
    """What was asked for holds for calls and probes; the steady state keeps a kubelet's own."""
    options = Options(scenarios=("calls", "exec", "steady"), calls_at=(0, 2), steady_at=(2,), rhythms=(0.0, 0.04))
    names = [task.step.name for task in plan(options)]
    assert names == [
        *("exec", "exec@0 every 40 ms", "calls", "calls@0 every 40 ms"),
        *("calls@2", "calls@2 every 40 ms", "steady@2"),
    ]


def test_slow_rhythms_do_not_make_long_runs():
    """A turn has a few tens of calls at most, fewer of them the slower they come; statistics are asked for once."""
    options = Options(scenarios=("calls",), calls_at=(0,), rhythms=(0.0, 0.04, 1.0, 5.0))
    steps = [task.step for task in plan(options)]
    assert [step.options["repeats"] for step in steps] == [10, 10, 2, 1]
    assert ["ListContainerStats" in {metric.key for metric in step.metrics} for step in steps] == [True, *[False] * 3]


def test_nothing_is_pulled_without_an_image_to_pull():
    """The scenario is left out."""
    assert "pull" not in [task.step.name for task in plan(Options())]


def test_a_kubelet_comes_last_and_starts_its_own_pods(tmp_path):
    """It would end all others; it is measured only if one is given, at the chosen numbers of pods."""
    program = tmp_path / "kubelet"
    program.write_text("#!/bin/sh\necho Kubernetes v1\n")
    program.chmod(0o755)
    options = Options(("steady", "kubelet", "exec"), kubelet=str(program), kubelet_at=(3, 5), kubelet_window=2.0)
    tasks = plan(options)
    assert [task.step.name for task in tasks] == ["exec", "steady@105", "kubelet@3", "kubelet@5"]
    assert [task.idle_pods for task in tasks] == [0, 105, 0, 0]
    assert tasks[-1].step.options == {"kubelet": "Kubernetes v1", "window_s": 2.0, "before_s": 30.0}
    with pytest.raises(ValueError, match="needs a kubelet: name one with --kubelet PATH"):
        plan(Options(("kubelet",)))


def test_rounds_and_scenarios_may_be_chosen():
    """What was asked for, and no more."""
    (task,) = plan(Options(scenarios=("batch",), rounds=3, batch_pods=7))
    assert (task.step.name, task.rounds, task.step.options) == ("batch", 3, {"at_once": 7})


def test_an_unknown_scenario_is_refused_with_those_there_are():
    """A spelling mistake does not measure nothing."""
    with pytest.raises(ValueError, match=r"unknown scenario lief; known are life"):
        plan(Options(scenarios=("lief",)))


def test_a_step_explains_itself():
    """What is written to the file says what was done and what its numbers are called."""
    for task in plan(Options(pull_image="r/i:1")):
        assert task.step.title
        assert task.step.about.endswith(".")
        assert "{" not in task.step.about
        assert task.step.metrics
