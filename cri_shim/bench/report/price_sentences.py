"""Say in one sentence what the hop cost and what the order of work saved.

A cause is named only where the bill shows it: helpers that ran beside hops, a wait for the daemon's own limits, or time
that no bill accounts for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.bench.report.numbers import rough
from cri_shim.bench.results.bills import NOT_ACCOUNTED_FOR
from cri_shim.bench.verdicts.verdict import MIN_PAIRS

if TYPE_CHECKING:
    from cri_shim.bench.report.price import PriceRow

OVERLAP = "overlapping CNI with the task"
ORDER = "a different order of work"
QUEUE = "waiting for its own limits and locks"
OUTSIDE = "what the bill does not account for"

_MOST = 0.5
"""A cause that explains at least this share of a difference is named alone."""
_SOME = 0.1
"""A cause that explains less than this share is not named."""

PAID_LATER = {
    "RunPodSandbox": "it answers before the last of its work is done, and StartContainer waits for that, so part of it "
    "is paid there: pod start has all of it",
    "StartContainer": "it also waits for what RunPodSandbox left to be done",
}


def sentence(row: PriceRow, around: str = "") -> str:
    """Return the sentence of a row: ``RunPodSandbox: the hop cost 6.1 ms, overlapping CNI with the task saved 38 ms``.

    ``around`` follows the name in brackets.
    """
    name = f"{row.metric.label} ({around})" if around else row.metric.label
    said = f"{name}: {_took(row) if row.unknown else f'{_cost(row)}, {_saved(row)}'}"
    if row.step.scenario == "life" and (later := PAID_LATER.get(row.metric.key)):
        said = f"{said}; {later}"
    if row.saved.pairs < MIN_PAIRS:
        said = f"{said} ({row.saved.pairs} rounds are too few to tell it from noise)"
    elif not row.quiet:
        said = f"{said} (the machine was not quiet: no verdict)"
    return said


def _took(row: PriceRow) -> str:
    """Return what can be said without a price."""
    less = row.theirs - row.ours
    than = f"{rough(abs(less))} ms {'less' if less >= 0 else 'more'} than {row.first}"
    return f"what the hop cost is not known, because its {row.unknown} is not; the whole took {than}"


def _cost(row: PriceRow) -> str:
    less = "" if row.own_front is not None else f", {row.first}'s own front hop, which is not known, included"
    cost = row.price - (row.own_front or 0.0)
    if not row.stands_out(row.cost):
        low, high = row.cost.low - row.price_error, row.cost.high + row.price_error
        return f"what the hop cost is inside the noise ({rough(low)} to {rough(high)} ms{less})"
    if cost < 0:
        return f"the hop cost nothing, {rough(-cost)} ms less than {row.first}'s own front hop"
    return f"the hop cost {rough(cost)} ms{less}"


def _saved(row: PriceRow) -> str:
    saved = row.saved.estimate
    if not row.stands_out(row.saved):
        low, high = row.saved.low - row.price_error, row.saved.high + row.price_error
        return f"what the order of work gave back is inside the noise ({rough(low)} to {rough(high)} ms)"
    if saved < 0:
        causes = ((QUEUE, row.part("queue")), (OUTSIDE, row.part(NOT_ACCOUNTED_FOR)))
        cause = next((cause for cause, ms in causes if ms >= -saved * _MOST), ORDER)
        return f"and {rough(-saved)} ms more went into {cause}"
    if row.overlap >= saved * _MOST:
        return f"{OVERLAP} saved {rough(saved)} ms"
    if row.overlap >= saved * _SOME:
        return f"{OVERLAP} ({rough(row.overlap)} ms side by side) and {ORDER} saved {rough(saved)} ms"
    return f"{ORDER} saved {rough(saved)} ms"
