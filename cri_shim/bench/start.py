"""Announce a comparison before it begins: how long it takes, and whether the machine is too busy for it.

A run of many minutes whose report refuses every verdict is a waste, which one probe at the start can prevent. The time
is an estimate from the plan: scenarios know about how long their runs take, and pods are counted.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.bench.kubelet.node_state import NodeState
from cri_shim.bench.kubelet.process import KubeletError
from cri_shim.bench.results.schema import KUBELET
from cri_shim.bench.runner import rounds_to_do, seconds_of_round
from cri_shim.bench.verdicts import noise

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.bench.plan import Task
    from cri_shim.bench.results.schema import Probe, Run

_CHECK_SECONDS = 4.0
"""Seconds for each side: to inspect it, to compare what its pods get, to clean up."""
_NULL_CALL_SECONDS = 12.0
"""Seconds for each side: null calls by the client, in three rhythms."""
_PREPARE_SECONDS = 0.5
"""Seconds for each side and step."""
_POD_SECONDS = 0.1
"""Seconds to start or to end an idle pod, several at once."""


class BusyError(Exception):
    """The machine is too busy, and the user required a quiet one."""


def expected_seconds(tasks: Iterable[Task], sides: int, warm_up: int, run: Run | None = None) -> float:
    """Return about how many seconds the work takes that a run, which may be None, lacks of a plan."""
    total, pods = _CHECK_SECONDS * sides, 0
    if run is None or not run.null_calls:
        total += _NULL_CALL_SECONDS * sides
    for task in tasks:
        rounds = rounds_to_do(task, run)
        if rounds:
            repetitions = rounds + warm_up
            total += repetitions * seconds_of_round(task, sides) + sides * _PREPARE_SECONDS
            total += sides * abs(task.step.pods - pods) * _POD_SECONDS
            pods = task.step.pods
    return total + sides * pods * _POD_SECONDS


def announcement(tasks: Iterable[Task], sides: int, warm_up: int, run: Run | None = None) -> str:
    """Return a line that says how much there is to do, how long it takes, and until when."""
    to_do = [rounds for task in tasks if (rounds := rounds_to_do(task, run))]
    seconds = expected_seconds(tasks, sides, warm_up, run)
    until = time.strftime("%H:%M", time.localtime(time.time() + seconds))
    what = f"{_count(sides, 'side')}, {_count(len(to_do), 'step')}, {_count(sum(to_do), 'round')}"
    return f"{what}: this takes about {_duration(seconds)}, until {until} or so"


def busy_reason(probe: Probe) -> str:
    """Return a line that says why the machine is too busy to measure; empty when it is quiet enough."""
    if probe.waited <= noise.DISTURBED:
        return ""
    return (
        f"the machine is too busy to measure: other work used the cores for {probe.waited:.0%} of a short test "
        f"(allowed: {noise.DISTURBED:.0%}), and its load is {probe.load:g} on {_count(os.cpu_count() or 1, 'core')}"
    )


def kubelet_reason(tasks: Iterable[Task], run: Run | None = None, top: Path = Path("/")) -> str:
    """Return a line that says why this node must not get the kubelet of the plan; empty when it may, or gets none.

    The kubelet comes last, so without this a refusal would come after everything else was measured. ``top`` is the root
    of the file system.
    """
    if not any(task.step.scenario == KUBELET and rounds_to_do(task, run) for task in tasks):
        return ""
    try:
        NodeState.read(top)
    except KubeletError as error:
        return str(error)
    return ""


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{max(5, round(seconds / 5) * 5)} seconds"
    return f"{minutes} minutes" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
