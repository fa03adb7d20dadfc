"""Compute what the extra hop costs, RPC by RPC, and what a side's order of work saves against the first side.

A side whose answers carry bills (docs/ledger.md) is compared with the first side, of which only the whole is known:

- **price** = front hop + transport + own work, from the bill;
- **cost** = the price less the first side's own front hop, a null call (``Version``) in the same step;
- **saved** = the first side's time + the cost - the side's time; negative where even more time went elsewhere.

All are of a typical request whose parts add up: the mean over the requests in the middle half of the client's times
within each round, and then the mean over the middle half of the rounds.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean
from typing import TYPE_CHECKING, Final

from cri_shim.bench.results.bills import NOT_ACCOUNTED_FOR, NOT_KNOWN
from cri_shim.bench.scenarios import null_call
from cri_shim.bench.verdicts import noise
from cri_shim.bench.verdicts.estimate import Interval, bootstrap, middle_half, percentile
from cri_shim.bench.verdicts.verdict import MIN_PAIRS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.results.schema import Metric, Run, SideRun, Step

SCENARIOS = ("life", "exec", "calls")
"""The scenarios in which one request follows the other, so that a request's time has only the side's own work in it."""

CLIENT: Final = "client"
"""The part that is the whole: the time that the client saw."""
MIXED = "mixed"
"""The source of a part when it differs between requests."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """One round, in ms: the first side's typical time and front hop, and the other side's time and its price."""

    theirs: float
    own_front: float | None
    ours: float
    price: float


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One RPC, or a sum of several, of one step: the first side's time and the parts of another's, in ms."""

    step: Step
    metric: Metric
    first: str
    side: str
    theirs: float
    parts: dict[str, float]
    """By the bill's names; a missing part is 0."""
    own_front: float | None
    """The front hop that the first side has as well; None if the step has no null call."""
    split: str
    """The source of transport, in the bill's words; ``mixed`` when it differs between requests."""
    front_known: str
    spread: tuple[float, float]
    """The quartiles of the price over all requests."""
    cost: Interval
    saved: Interval
    quiet: bool
    """Whether the machine was quiet enough for a verdict."""

    def part(self, name: str) -> float:
        """Return a part of the bill."""
        return self.parts.get(name, 0.0)

    @property
    def ours(self) -> float:
        """The side's time as its client saw it."""
        return self.part(CLIENT)

    @property
    def price(self) -> float:
        """Front hop, transport and own work."""
        return _price(self.parts)

    @property
    def price_error(self) -> float:
        """How far the price may be off because of the estimates in it."""
        return self.part("front_error") + self.part("transport_error")

    @property
    def unknown(self) -> str:
        """The unknown parts of the price, in words; empty when all are known."""
        hops = self.split == NOT_KNOWN and self.part("hop_count")
        missing = [
            name
            for name, is_missing in (("front hop", self.front_known == NOT_KNOWN), ("transport", hops))
            if is_missing
        ]
        return " and ".join(missing)

    @property
    def overlap(self) -> float:
        """How long helpers (CNI plugins) ran beside hops."""
        return max(0.0, self.part("hops") + self.part("helpers") - (self.part("wall") - self.part("own")))

    @property
    def judged(self) -> bool:
        """Whether there are enough rounds, on a quiet machine, to judge a difference."""
        return self.quiet and self.saved.pairs >= MIN_PAIRS

    def stands_out(self, interval: Interval) -> bool:
        """Return whether 0 lies outside of the interval, widened by the error of the estimates in it."""
        return interval.low - self.price_error > 0 or interval.high + self.price_error < 0


def price_rows(run: Run, side: str) -> list[PriceRow]:
    """Return the rows of a side, step by step; none when its answers carry no bills."""
    return [row for step in run.steps for row in price_rows_of_step(run, step, side)]


def price_rows_of_step(run: Run, step: Step, side: str) -> list[PriceRow]:
    """Return the rows of one step; none when there are no bills, or when the step's requests delay each other."""
    if step.scenario not in SCENARIOS or not step.rounds or side in {run.sides[0].name, *step.left_out}:
        return []
    rows = (_row(run, step, metric, side) for metric in step.metrics)
    return [row for row in rows if row is not None]


def typical_parts(step: Step, metric: Metric, side: str) -> dict[str, float] | None:
    """Return the parts of a side's typical request, :data:`CLIENT` the whole; None without bills in every round."""
    by_round = [_typical(requests_of(one.side_runs[side], metric)) for one in step.rounds]
    known = [parts for parts in by_round if parts]
    return _typical(known) if known and len(known) == len(by_round) else None


def requests_of(side_run: SideRun, metric: Metric) -> list[dict[str, float]]:
    """Return the bills of a run by request, or their sums for a sum of RPCs; empty where some answer had no bill."""
    rpcs = metric.sum_of or (metric.key,)
    bills = [side_run.bills[rpc] for rpc in rpcs if rpc in side_run.bills]
    if len(bills) < len(rpcs) or len({each.count for each in bills}) != 1:
        return []
    together: list[dict[str, float]] = []
    for number in range(bills[0].count):
        request: defaultdict[str, float] = defaultdict(float)
        for each in bills:
            for name, values in each.parts.items():
                request[name] += values[number]
        request[CLIENT] = request["front"] + request["wall"] + request[NOT_ACCOUNTED_FOR]
        together.append(dict(request))
    return together


def _typical(requests: Sequence[dict[str, float]]) -> dict[str, float]:
    middle = middle_half(requests, lambda request: request[CLIENT])
    names = dict.fromkeys(name for request in middle for name in request)
    return {name: fmean(request.get(name, 0.0) for request in middle) for name in names}


def _typical_time(times: Sequence[float]) -> float:
    return fmean(middle_half(times, float))


def _row(run: Run, step: Step, metric: Metric, side: str) -> PriceRow | None:
    first = run.sides[0].name
    requests = [requests_of(one.side_runs[side], metric) for one in step.rounds]
    theirs = [one.side_runs[first].samples.get(metric.key, []) for one in step.rounds]
    null_calls = [one.side_runs[first].samples.get(null_call.RPC, []) for one in step.rounds]
    if not all(requests) or not all(theirs):
        return None
    typical = [_typical(each) for each in requests]
    count = max(1, len(metric.sum_of))
    pairs = []
    for times, nulls, parts in zip(theirs, null_calls, typical, strict=True):
        whole = _typical_time(times)
        # A front hop is a part of the whole, however slow the null calls of the round were by chance.
        own_front = min(count * _typical_time(nulls), whole) if all(null_calls) else None
        pairs.append(_Pair(whole, own_front, parts[CLIENT], _price(parts)))
    prices = [_price(request) for many in requests for request in many]
    bills = [one.side_runs[side].bills[rpc] for one in step.rounds for rpc in metric.sum_of or (metric.key,)]
    return PriceRow(
        step=step,
        metric=metric,
        first=first,
        side=side,
        theirs=_theirs(pairs),
        parts=_typical(typical),
        own_front=_own_front(pairs),
        split=_how_known([each.split for each in bills]),
        front_known=_how_known([each.front_known for each in bills]),
        spread=(percentile(prices, 0.25), percentile(prices, 0.75)),
        cost=bootstrap(pairs, _cost),
        saved=bootstrap(pairs, _saved),
        quiet=not noise.objections([side_run for one in step.rounds for side_run in one.side_runs.values()]),
    )


def _price(parts: dict[str, float]) -> float:
    return parts.get("front", 0.0) + parts.get("transport", 0.0) + parts.get("work", 0.0)


def _theirs(pairs: Sequence[_Pair]) -> float:
    return _typical_time([pair.theirs for pair in pairs])


def _own_front(pairs: Sequence[_Pair]) -> float | None:
    known = [pair.own_front for pair in pairs if pair.own_front is not None]
    return _typical_time(known) if known else None


def _cost(pairs: Sequence[_Pair]) -> float:
    middle = middle_half(pairs, attrgetter("ours"))
    return fmean([pair.price for pair in middle]) - (_own_front(pairs) or 0.0)


def _saved(pairs: Sequence[_Pair]) -> float:
    return _theirs(pairs) + _cost(pairs) - _typical_time([pair.ours for pair in pairs])


def _how_known(bills: Sequence[dict[str, int]]) -> str:
    """Return the one source of all, or ``mixed``; ``none`` where some are not known, or there are none."""
    ways = {way for each in bills for way, count in each.items() if count}
    return NOT_KNOWN if not ways or NOT_KNOWN in ways else ways.pop() if len(ways) == 1 else MIXED
