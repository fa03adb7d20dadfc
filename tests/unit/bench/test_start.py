"""What is said before a comparison begins."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from cri_shim import cli
from cri_shim.bench.options import Options
from cri_shim.bench.plan import plan
from cri_shim.bench.start import announcement, busy_reason, expected_seconds, kubelet_reason
from cri_shim.bench.verdicts import noise
from tests.unit.bench.made_up import BUSY, QUIET, run

LIFE = plan(Options(scenarios=("life",), rounds=100))


def test_more_rounds_sides_and_pods_take_longer():
    """The estimate follows the plan."""
    seconds = expected_seconds(LIFE, 2, 1)
    assert expected_seconds(LIFE, 4, 1) > 1.5 * seconds
    assert expected_seconds(plan(Options(scenarios=("life",), rounds=200)), 2, 1) > 1.5 * seconds
    few, many = (plan(Options(scenarios=("calls",), rounds=1, calls_at=(pods,))) for pods in (1, 500))
    assert expected_seconds(many, 2, 1) - expected_seconds(few, 2, 1) > 100


def test_what_a_file_has_is_not_done_again():
    """Going on takes as long as what is missing."""
    (task,) = LIFE
    half = replace(run(), steps=(replace(task.step, rounds=run(1.0, count=60).steps[0].rounds),))
    assert expected_seconds(LIFE, 2, 1, half) < 0.6 * expected_seconds(LIFE, 2, 1)
    assert "40 rounds" in announcement(LIFE, 2, 1, half)


def test_the_line_names_the_work_and_the_time():
    """Sides, steps, rounds, and a time of day."""
    line = announcement(plan(Options(scenarios=("life", "exec"), rounds=3, rhythms=(0.0,))), 3, 1)
    assert re.fullmatch(r"3 sides, 2 steps, 6 rounds: this takes about \d+ seconds, until \d\d:\d\d or so", line)
    assert "minutes" in announcement(plan(Options()), 2, 1)
    assert " h " in announcement(plan(Options(rounds=100)), 4, 1)


def test_a_busy_machine_is_named_for_what_is_wrong():
    """With the number that is over the limit; a quiet one is not."""
    assert not busy_reason(QUIET)
    assert "60%" in busy_reason(BUSY)
    assert "load is 9" in busy_reason(BUSY)


@pytest.mark.parametrize(("flag", "goes_on"), [([], True), (["--require-quiet"], False)])
def test_it_is_said_before_an_endpoint_is_touched(tmp_path, capsys, monkeypatch, flag, goes_on):
    """By default the run goes on all the same, here to an endpoint that is not there."""
    monkeypatch.setattr(noise, "probe", lambda: BUSY)
    where = ["--endpoint", f"a=unix://{tmp_path}/none.sock", "--output", str(tmp_path / "run.json")]
    assert cli.main(["compare", *where, "--image", "i", "--scenario", "life", *flag]) == 1
    said = capsys.readouterr().err.splitlines()
    assert "1 side, 1 step, 30 rounds: this takes about" in said[0]
    assert "too busy to measure" in said[1]
    assert ("none.sock" in said[-1]) is goes_on


def test_a_node_that_must_not_get_a_kubelet(tmp_path):
    """Everything else is measured before the kubelet, so it is refused before anything is."""
    (life,) = LIFE
    kubelet = replace(life, step=replace(life.step, scenario="kubelet"))
    (tmp_path / "proc/7").mkdir(parents=True)
    assert kubelet_reason([kubelet], None, tmp_path) == ""
    (tmp_path / "proc/7/comm").write_text("kubelet\n")
    assert "process 7 is a kubelet" in kubelet_reason([life, kubelet], None, tmp_path)
    assert kubelet_reason([life], None, tmp_path) == ""


def test_a_kubelet_that_has_run(tmp_path):
    """Going on with the rest of a file needs none."""
    (life,) = LIFE
    kubelet = replace(life, rounds=1, step=replace(life.step, scenario="kubelet"))
    done = replace(run(), steps=(replace(kubelet.step, rounds=run(1.0, count=60).steps[0].rounds),))
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/comm").write_text("kubelet\n")
    assert kubelet_reason([kubelet], done, tmp_path) == ""
