"""Compare estimates of transport with containerd's spans, where both exist.

An estimate is what was charged when the hop ended, before containerd reported anything about it. Next to it stands the
estimate from null calls alone, which is all that a node has whose containerd exports no spans.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from statistics import median
from typing import Final, NamedTuple

CAPACITY: Final = 1000
"""How many requests of a CRI method, and hops of a containerd method, are compared: the newest."""
METHODS: Final = 128
"""How many methods of each kind are kept; beyond that the one that was seen longest ago is dropped."""


class Pair(NamedTuple):
    """Transport of one hop, or of all hops of one request, in seconds."""

    estimate: float
    by_null_calls: float
    spans: float


class Comparison(NamedTuple):
    """The pairs of one method, or of all: medians and sums in seconds; ratios are estimate divided by span."""

    pairs: int
    estimate: float
    by_null_calls: float
    spans: float
    estimate_sum: float
    by_null_calls_sum: float
    spans_sum: float
    ratio_low: float
    """A tenth of the single ratios is below this."""
    ratio_high: float
    """A tenth of the single ratios is above this."""
    by_null_calls_low: float
    """The same two for the estimates from null calls alone."""
    by_null_calls_high: float


class Agreement:
    """The newest pairs, by method."""

    def __init__(self) -> None:
        self._requests: OrderedDict[str, deque[Pair]] = OrderedDict()
        self._hops: OrderedDict[str, deque[Pair]] = OrderedDict()

    def note_request(self, method: str, pair: Pair) -> None:
        """Add a CRI request for which there are spans of every hop."""
        _add(self._requests, method, pair)

    def note_hop(self, method: str, pair: Pair) -> None:
        """Add a hop, under containerd's method."""
        _add(self._hops, method, pair)

    def requests(self) -> dict[str, Comparison]:
        """Return the comparison by CRI method; the empty name stands for all together."""
        return _compared(self._requests)

    def hops(self) -> dict[str, Comparison]:
        """Return the comparison by containerd's method; the empty name stands for all together."""
        return _compared(self._hops)


def compared(pairs: list[Pair]) -> Comparison:
    """Compare some pairs, at least one."""
    ratios = sorted(pair.estimate / pair.spans for pair in pairs if pair.spans > 0.0) or [1.0]
    by_null_calls = sorted(pair.by_null_calls / pair.spans for pair in pairs if pair.spans > 0.0) or [1.0]
    return Comparison(
        len(pairs),
        median(pair.estimate for pair in pairs),
        median(pair.by_null_calls for pair in pairs),
        median(pair.spans for pair in pairs),
        sum(pair.estimate for pair in pairs),
        sum(pair.by_null_calls for pair in pairs),
        sum(pair.spans for pair in pairs),
        _quantile(ratios, 0.1),
        _quantile(ratios, 0.9),
        _quantile(by_null_calls, 0.1),
        _quantile(by_null_calls, 0.9),
    )


def _add(by_method: OrderedDict[str, deque[Pair]], method: str, pair: Pair) -> None:
    pairs = by_method.get(method)
    if pairs is None:
        pairs = by_method[method] = deque(maxlen=CAPACITY)
        if len(by_method) > METHODS:
            by_method.popitem(last=False)
    pairs.append(pair)
    by_method.move_to_end(method)


def _compared(by_method: OrderedDict[str, deque[Pair]]) -> dict[str, Comparison]:
    methods = {method: compared(list(pairs)) for method, pairs in sorted(by_method.items())}
    everything = [pair for pairs in by_method.values() for pair in pairs]
    return methods | ({"": compared(everything)} if everything else {})


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[round((len(ordered) - 1) * share)]
