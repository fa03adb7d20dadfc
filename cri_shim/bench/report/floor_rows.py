"""Compute from the rounds of the step `floor` how many times the floor each side takes.

The floor of a pod is the script's time in its faster order, with as many processes of runc as the side has: a side
without a pause process is compared with a pod without one. The ratio is one of neighbours in time, round by round.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cri_shim.bench.floor.recipe import ORDERS, WITH_PAUSE, WITHOUT_PAUSE
from cri_shim.bench.scenarios.floor import NAME, key_of, needs_pause
from cri_shim.bench.verdicts.estimate import paired_ratio

if TYPE_CHECKING:
    from cri_shim.bench.floor.recipe import Kind, Order
    from cri_shim.bench.results.schema import Step
    from cri_shim.bench.verdicts.estimate import Interval

PHASES = ("pod start", "pod end")
"""The metrics that are compared; all other samples of the script are stages."""


@dataclass(frozen=True, slots=True)
class FloorRow:
    """How far one side is from the floor in one phase (``what``); milliseconds are medians."""

    side: str
    what: str
    ms: float
    floor_ms: float
    times: Interval
    kind: Kind
    order: Order


def floor_rows(step: Step, sides: tuple[str, ...]) -> list[FloorRow]:
    """Compare each side with the floor in a pod's start, then in its end."""
    if not step.rounds or not kinds_of(step):
        return []
    kinds = kinds_of(step)
    rows = []
    for what in PHASES:
        for side in sides:
            if not all(one.side_runs[side].samples.get(what) for one in step.rounds):
                continue
            kind = WITH_PAUSE if needs_pause(side, step.options) and WITH_PAUSE in kinds else WITHOUT_PAUSE
            order = faster_order(step, kind, what)
            floor = _by_round(step, NAME, f"{key_of(kind, order)}: {what}")
            own = _by_round(step, side, what)
            times = paired_ratio(own, floor)
            rows.append(FloorRow(side, what, statistics.median(own), statistics.median(floor), times, kind, order))
    return rows


def kinds_of(step: Step) -> tuple[Kind, ...]:
    """Return the kinds of pods that the script made."""
    samples = step.rounds[0].side_runs[NAME].samples
    kinds: tuple[Kind, ...] = (WITH_PAUSE, WITHOUT_PAUSE)
    return tuple(kind for kind in kinds if f"{key_of(kind, ORDERS[0])}: {PHASES[0]}" in samples)


def faster_order(step: Step, kind: Kind, what: str) -> Order:
    """Return the order in which the script was faster."""
    return min(ORDERS, key=lambda order: floor_ms(step, kind, order, what))


def floor_ms(step: Step, kind: Kind, order: Order, what: str) -> float:
    """Return the script's time for a start, an end or a stage: the median of all rounds."""
    return statistics.median(_by_round(step, NAME, f"{key_of(kind, order)}: {what}"))


def stages_of(step: Step, kind: Kind) -> list[str]:
    """Return the stages of a kind of pod as the serial order goes through them."""
    start = f"{key_of(kind, ORDERS[0])}: "
    names = [key.removeprefix(start) for key in step.rounds[0].side_runs[NAME].samples if key.startswith(start)]
    return [name for name in names if name not in PHASES]


def _by_round(step: Step, side: str, key: str) -> list[float]:
    return [statistics.median(one.side_runs[side].samples[key]) for one in step.rounds]
