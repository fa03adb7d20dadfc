"""When the machine was too noisy, and that the reasons are told."""

from __future__ import annotations

from dataclasses import replace

from cri_shim.bench.results.schema import Probe
from cri_shim.bench.verdicts import noise
from tests.unit.bench.made_up import BUSY, QUIET, side_run


def test_a_quiet_machine_is_not_objected_to():
    """Turns with free cores, steady speed and no stolen time pass."""
    assert noise.objections([side_run(1, Probe(12.0 + number / 10, 0.02, 0.1)) for number in range(10)]) == ()


def test_a_few_disturbed_runs_are_allowed_and_many_are_not():
    """The share of disturbed turns decides; the reason says how many and how badly."""
    few = [side_run(1, BUSY if number < 2 else QUIET) for number in range(10)]
    many = [side_run(1, BUSY if number < 4 else QUIET) for number in range(10)]
    assert noise.objections(few) == ()
    (reason,) = noise.objections(many)
    assert "40%" in reason
    assert "60%" in reason


def test_a_machine_that_changes_its_speed_is_objected_to():
    """A loop that takes 12 ms at first and 20 ms later tells that times of the two cannot be compared."""
    side_runs = [side_run(1, Probe(12.0 if number < 5 else 20.0, 0.0, 0.1)) for number in range(10)]
    (reason,) = noise.objections(side_runs)
    assert "speed" in reason


def test_stolen_time_is_objected_to():
    """What the hypervisor keeps counts against the run."""
    (reason,) = noise.objections([replace(side_run(1), stolen=0.05)] * 4)
    assert "hypervisor" in reason


def test_nothing_measured_is_nothing_to_trust():
    """No turns, no verdict."""
    assert noise.objections([]) == ("nothing was measured",)


def test_a_probe_measures_loop_wait_and_load():
    """The loop takes some time, and the share it waited is a share."""
    result = noise.probe(idle_seconds=0)
    assert result.loop_ms > 0
    assert 0 <= result.waited <= 1
    assert result.load >= 0
