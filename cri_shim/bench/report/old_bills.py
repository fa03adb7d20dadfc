"""Show the bills of runs of schema 1: means, in words that have another meaning today.

Their ``transport`` is a sum over hops, estimated from a null call on a cold connection, which is about twice too much;
they leave out the front hop; and ``extra`` counts waits for the daemon's own limits. So they are shown under their old
names, apart from what is measured now, and no price is computed from them.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from cri_shim.bench.report.blocks import Table
from cri_shim.bench.report.numbers import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.results.schema import Run, Step

AT_WORK, TRANSPORT, HELPERS, OWN = "containerd at work", "transport", "helpers alone", "own time"
WHOLE = "no view inside"
"""The only part of a side whose answers carry no bills."""
COLOURS = {AT_WORK: 0, TRANSPORT: 1, HELPERS: 2, OWN: 3, WHOLE: 5}

_COLUMNS = ("wall", "hops", "helpers", "own", "awaited", "daemon", "transport", "extra")


def where_time_goes(run: Run, step: Step) -> list[tuple[str, dict[str, float]]]:
    """Return the parts of the mean time of each RPC and side, in ms; empty when no side's answers carry bills."""
    side_runs = {side.name: [one.side_runs[side.name] for one in step.rounds] for side in run.sides}
    rpcs = [
        metric.key
        for metric in step.metrics
        if any(metric.key in side_run.mean_bills for many in side_runs.values() for side_run in many)
    ]
    bars: list[tuple[str, dict[str, float]]] = []
    for rpc in rpcs:
        for side, many in side_runs.items():
            bills = [side_run.mean_bills[rpc] for side_run in many if rpc in side_run.mean_bills]
            measured = [value for side_run in many for value in side_run.samples.get(rpc, [])]
            if not measured:
                continue
            mean = statistics.fmean(measured)
            bars.append((f"{rpc}, {side}", split_of(bills, mean) if bills else {WHOLE: mean}))
    return bars


def split_of(bills: Sequence[dict[str, float]], mean: float) -> dict[str, float]:
    """Return the parts of a mean request that took ``mean`` ms as the client saw it.

    Hops overlap, so their union is divided like their sum. What the client waited beyond the bridge's own wall time,
    which is the front hop, counts as own time here.
    """
    average = _average(bills)
    hops, own = average.get("hops", 0.0), average.get("own", 0.0)
    total = average.get("daemon", 0.0) + average.get("transport", 0.0)
    at_work = hops * average.get("daemon", 0.0) / total if total else hops
    helpers = max(0.0, average.get("wall", 0.0) - own - hops)
    return {
        AT_WORK: at_work,
        TRANSPORT: hops - at_work,
        HELPERS: helpers,
        OWN: max(0.0, mean - hops - helpers),
    }


def is_estimate(step: Step) -> bool:
    """Return whether any transport was estimated; a bill that does not say so counts as an estimate."""
    side_runs = [side_run for one in step.rounds for side_run in one.side_runs.values()]
    return any(
        bill.get("estimated", 1.0) > 0
        for side_run in side_runs
        for bill in side_run.mean_bills.values()
        if bill.get("hop_count")
    )


def table(run: Run) -> Table | None:
    """Return the bills under their old names, one line for each RPC and step; None when there are none."""
    lines = []
    for step in run.steps:
        for metric in step.metrics:
            for side in run.seen_in(step).sides:
                side_runs = [one.side_runs[side.name] for one in step.rounds]
                bills = [side_run.mean_bills[metric.key] for side_run in side_runs if metric.key in side_run.mean_bills]
                if bills:
                    average = _average(bills)
                    numbers = (number(average.get(name, 0.0)) for name in _COLUMNS)
                    lines.append((metric.label, step.name, side.name, *numbers))
    return Table(("RPC", "step", "side, mean ms", *_COLUMNS), tuple(lines), 3) if lines else None


def _average(bills: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for bill in bills for name in bill)
    return {name: statistics.fmean(bill.get(name, 0.0) for bill in bills) for name in names}
