"""Which start is recorded, and when one is begun."""

from __future__ import annotations

import pytest

from lab.pod_starts.observed import Observed
from lab.pod_starts.processes import Executions
from lab.pod_starts.quiet import idle_share
from lab.pod_starts.recorder import median_start
from lab.pod_starts.tapped_calls import Call


def start(milliseconds: int) -> Observed:
    """A start that took so long."""
    return Observed([Call("RunPodSandbox", 0, 0), Call("StartContainer", 0, milliseconds * 1_000_000)], Executions({}))


@pytest.mark.parametrize(("times", "median"), [([5], 5), ([9, 5], 5), ([9, 1, 5], 5), ([9, 1, 5, 7], 5)])
def test_the_start_with_the_median_time(times, median):
    """A real one: of an even number, the faster of the two in the middle."""
    assert median_start([start(each) for each in times]).wall_ms == median


def test_the_idle_share_of_a_machine():
    """Of all ticks that passed between two readings."""
    assert idle_share((100, 1000), (180, 1100)) == 0.8
    assert idle_share((100, 1000), (100, 1000)) == 0.0
