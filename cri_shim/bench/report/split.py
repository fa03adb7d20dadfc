"""Show where the time of each RPC goes: the parts of a bridge's typical request, and the other sides' whole."""

from __future__ import annotations

import statistics
from math import fsum
from typing import TYPE_CHECKING

from cri_shim.bench.report import old_bills, plots, prose
from cri_shim.bench.report.blocks import Picture
from cri_shim.bench.report.price import CLIENT, typical_parts
from cri_shim.bench.results.bills import NOT_ACCOUNTED_FOR

if TYPE_CHECKING:
    from cri_shim.bench.results.schema import Run, Step

_PARTS = {
    "world": "waiting for the world",
    "transport": "transport",
    "front": "front hop",
    "work": "own work",
    "queue": "own queue",
    NOT_ACCOUNTED_FOR: "not accounted for",
}
_COLOURS = {name: colour for colour, name in enumerate(_PARTS.values())} | {old_bills.WHOLE: 5}


def pictures(run: Run, step: Step, stem: str) -> list[Picture]:
    """Return the picture of a step; none when no side's answers carry bills."""
    name, title = f"{stem}-split", "Where the time goes"
    if bars := where_time_goes(run, step):
        return [Picture(name, plots.stacks(bars, _COLOURS, "ms", title), prose.SPLIT)]
    if bars := old_bills.where_time_goes(run, step):
        caption = prose.OLD_SPLIT.format(
            at_work=old_bills.AT_WORK, transport=old_bills.TRANSPORT, helpers=old_bills.HELPERS, own=old_bills.OWN
        )
        if old_bills.is_estimate(step):
            caption = f"{caption} {prose.OLD_ESTIMATE}"
        return [Picture(name, plots.stacks(bars, old_bills.COLOURS, "ms", title), caption)]
    return []


def where_time_goes(run: Run, step: Step) -> list[tuple[str, dict[str, float]]]:
    """Return the parts of the typical time of each RPC and side, in ms; empty when no side's answers carry bills."""
    rpcs = [
        metric
        for metric in step.metrics
        if not metric.sum_of
        and any(metric.key in side_run.bills for one in step.rounds for side_run in one.side_runs.values())
    ]
    bars: list[tuple[str, dict[str, float]]] = []
    for metric in rpcs:
        for side in run.sides:
            measured = [value for one in step.rounds for value in one.side_runs[side.name].samples.get(metric.key, [])]
            if not measured:
                continue
            parts = typical_parts(step, metric, side.name)
            bar = split_of(parts) if parts else {old_bills.WHOLE: statistics.median(measured)}
            bars.append((f"{metric.key}, {side.name}", bar))
    return bars


def split_of(parts: dict[str, float]) -> dict[str, float]:
    """Return the parts under their names in the picture; they add up to what the client saw."""
    named = {name: max(0.0, parts.get(part, 0.0)) for part, name in _PARTS.items()}
    over = fsum(named.values()) - parts[CLIENT]
    if over > 0:
        # The front hop is estimated, and the estimate may exceed the time there was.
        named[_PARTS["front"]] -= min(named[_PARTS["front"]], over)
    return named
