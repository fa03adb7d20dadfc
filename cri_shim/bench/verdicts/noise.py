"""Measure how quiet the machine is, by a loop of fixed work on every core before each run.

Two things spoil a comparison and can be seen from here: other work on our cores (the loop's wall time is longer than
its CPU time) and a host that slows the machine down (the loop's CPU time itself grows). The work is hashing, which
releases the interpreter lock, so that threads load all cores at once.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.bench.results.schema import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.results.schema import SideRun

_WORK = bytes(1 << 20)
_BLOCKS = 24
_PAUSE = 0.03

# A run counts as disturbed when other work used the cores for more than this share of the loop before it.
DISTURBED = 0.15
# No verdict is given when more than this share of a step's runs was disturbed.
DISTURBED_RUNS = 0.25
# … nor when the loop's CPU time varied by more than this factor (90th to 10th percentile).
SPEED_SPREAD = 1.35
# … nor when the hypervisor took more than this share of the time.
STOLEN = 0.02


def probe(idle_seconds: float = 1.0) -> Probe:
    """Wait for a limited time until the cores are free, so that the last run's clean-up does not count; then measure.

    Only what is measured after the wait is reported, because otherwise a busy machine would be judged by its luckiest
    moment. Blocks for 30 ms or so on a quiet machine, for ``idle_seconds`` and a little more on a busy one.
    """
    until = time.monotonic() + idle_seconds
    with ThreadPoolExecutor(os.cpu_count() or 1) as cores:
        while _once(cores).waited > DISTURBED and time.monotonic() < until:
            time.sleep(_PAUSE)
        return _once(cores)


def _once(cores: ThreadPoolExecutor) -> Probe:
    loops = list(cores.map(_loop, range(os.cpu_count() or 1)))
    waited = max(1 - cpu / wall for wall, cpu in loops)
    load = float(Path("/proc/loadavg").read_text().split()[0])
    return Probe(round(max(cpu for _, cpu in loops) * 1000, 3), round(max(0.0, waited), 3), load)


def _loop(_core: int) -> tuple[float, float]:
    """Return the wall and CPU seconds of the fixed work."""
    wall, cpu = time.perf_counter(), time.thread_time()
    digest = hashlib.sha256()
    for _ in range(_BLOCKS):
        digest.update(_WORK)
    return time.perf_counter() - wall, time.thread_time() - cpu


def objections(side_runs: Sequence[SideRun]) -> tuple[str, ...]:
    """Return why a verdict on these runs would be worthless; empty when the machine was quiet enough."""
    if not side_runs:
        return ("nothing was measured",)
    objections_raised = []
    disturbed = sum(side_run.probe.waited > DISTURBED for side_run in side_runs) / len(side_runs)
    if disturbed > DISTURBED_RUNS:
        worst = max(side_run.probe.waited for side_run in side_runs)
        objections_raised.append(
            f"before {disturbed:.0%} of the turns something else had the cores for more than {DISTURBED:.0%} of the "
            f"time (at worst {worst:.0%}; allowed are {DISTURBED_RUNS:.0%} of the turns)"
        )
    loops = [side_run.probe.loop_ms for side_run in side_runs]
    if len(loops) > 1:
        cuts = statistics.quantiles(loops, n=10, method="inclusive")
        if cuts[0] > 0 and cuts[-1] / cuts[0] > SPEED_SPREAD:
            objections_raised.append(
                f"the speed of the machine itself varied by a factor of {cuts[-1] / cuts[0]:.2f} "
                f"(allowed is {SPEED_SPREAD})"
            )
    stolen = statistics.mean(side_run.stolen for side_run in side_runs)
    if stolen > STOLEN:
        objections_raised.append(f"the hypervisor kept {stolen:.1%} of the machine's time (allowed are {STOLEN:.0%})")
    return tuple(objections_raised)
