"""What is added up in a report does not depend on the Python that makes it."""

from __future__ import annotations

from dataclasses import replace

from cri_shim.bench.report.rows import daemons_cpu
from cri_shim.bench.results.schema import Process
from tests.unit.bench.made_up import run, side_run


def test_a_sum_of_cpu_times_is_the_nearest_float():
    """Ten tenths are one; ``sum`` says so from Python 3.12 on, and 0.9999999999999999 before."""
    daemons = [f"daemon {number}" for number in range(9)]
    made = run(1.0)
    bridge = replace(made.sides[1], processes=tuple(Process(name, 1) for name in daemons))
    one = replace(side_run(1.0), cpu=dict.fromkeys([*daemons, "helpers"], 0.1))
    assert daemons_cpu(replace(made, sides=(made.sides[0], bridge)), "bridge", one) == 1.0
