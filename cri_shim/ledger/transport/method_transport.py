"""Learn from containerd's spans the transport of each kind of hop, for the hops without spans.

A kind is a method of containerd in a CRI method at a level of load. Two things are remembered of each: by how much its
transport differed from the estimate from null calls, and how long containerd worked. Where containerd works evenly (it
looks something up), the rest of a hop after its usual time is the better estimate of transport; where its time varies
(it starts a process), the corrected null call is. Both are used, each weighted by the inverse of its variance.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from statistics import median
from typing import TYPE_CHECKING, Final, NamedTuple

from cri_shim.ledger.transport.estimate import Estimate
from cri_shim.ledger.transport.load_factor import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    Key: TypeAlias = tuple[str, str, int]
    """CRI method, containerd's method, level of load."""

KINDS: Final = 384
"""How many kinds of hops are remembered; beyond that the one that was seen longest ago is dropped."""
REMEMBERED: Final = 20
"""How many hops of each kind are kept: enough for a median, few enough to follow changes of the machine's load."""
ENOUGH: Final = 3
"""From how many hops on the observations of a kind count."""
_TOGETHER = 3  # hops that are added before the usual values are computed anew
_OUT_OF_MEAN, _OUT_OF_SPREAD = 0.15, 0.05  # the share of the highest values that is left out
_LEAST = 0.00001  # seconds; the least spread, because two equal samples prove nothing
_USUAL = 0.68  # the share of values that an error covers


class Observation(NamedTuple):
    """What spans showed of one hop, in seconds except for ``ratio``."""

    ratio: float
    """Its transport as a multiple of the estimate from null calls."""
    daemon: float
    """How long containerd worked."""
    missed: float
    """How far the earlier estimate of its transport was off."""


class Usual(NamedTuple):
    """The usual values of one kind of hop, in seconds except for ``ratio``; ``…_error`` are standard deviations."""

    hops: int
    ratio: float
    ratio_error: float
    daemon: float
    daemon_error: float
    error: float
    """Seconds; two thirds of the estimates were off by no more than this."""


class _Kind:
    __slots__ = ("seen", "since", "usual")

    def __init__(self) -> None:
        self.seen: deque[Observation] = deque(maxlen=REMEMBERED)
        self.usual: Usual | None = None
        self.since = 0

    def note(self, seen: Observation) -> None:
        self.seen.append(seen)
        self.since += 1
        if self.since >= _TOGETHER:
            self.usual = None

    def known(self) -> Usual | None:
        """Return the usual values, computed anew after enough additions; None while too few hops were seen."""
        if self.usual is None and len(self.seen) >= ENOUGH:
            ratios, daemons = sorted(one.ratio for one in self.seen), sorted(one.daemon for one in self.seen)
            ratio, daemon = _mean_of_most(ratios), median(daemons)
            self.since = 0
            self.usual = Usual(
                len(ratios),
                ratio,
                _spread(ratios, ratio),
                daemon,
                _spread(daemons, daemon),
                sorted(one.missed for one in self.seen)[round((len(self.seen) - 1) * _USUAL)],
            )
        return self.usual


class MethodTransport:
    """What is known of each kind of hop."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[Key, _Kind] = OrderedDict()
        self.noted = 0
        """How many hops were added since the start."""

    def __len__(self) -> int:
        """How many kinds are known."""
        return len(self._kinds)

    def note(self, key: Key, seen: Observation) -> None:
        """Add what containerd's span reported of a hop."""
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _Kind()
            if len(self._kinds) > KINDS:
                self._kinds.popitem(last=False)
        kind.note(seen)
        self._kinds.move_to_end(key)
        self.noted += 1

    def estimate(self, key: Key, duration: float, by_null_calls: float) -> Estimate | None:
        """Return the transport of a hop of ``duration`` seconds; None if too few were seen at any level of load."""
        usual = self._usual(key) or self._at_another_level(key)
        if usual is None:
            return None
        by_ratio = by_null_calls * usual.ratio
        by_rest = max(0.0, duration - usual.daemon)
        ratio_error = max(by_null_calls * usual.ratio_error, _LEAST)
        rest_error = max(usual.daemon_error, _LEAST)
        share = rest_error**2 / (ratio_error**2 + rest_error**2)
        return Estimate(by_rest + (by_ratio - by_rest) * share, usual.error)

    def _usual(self, key: Key) -> Usual | None:
        kind = self._kinds.get(key)
        return None if kind is None else kind.usual or kind.known()

    def _at_another_level(self, key: Key) -> Usual | None:
        rpc, method, level = key
        others = sorted(set(range(len(LEVELS) + 1)) - {level}, key=lambda other: abs(other - level))
        return next((usual for other in others if (usual := self._usual((rpc, method, other))) is not None), None)

    def usual(self) -> list[tuple[Key, Usual]]:
        """Return the kinds of which enough was seen, with their usual values."""
        known = ((key, kind.known()) for key, kind in self._kinds.items())
        return [(key, usual) for key, usual in known if usual is not None]

    def all(self) -> Iterator[tuple[Key, list[Observation]]]:
        """Return everything: the kinds, and the observations of each, oldest first."""
        for key, kind in self._kinds.items():
            yield key, list(kind.seen)

    def restore(self, everything: Iterable[tuple[Key, Iterable[Observation]]]) -> None:
        """Restore what :meth:`all` returned at an earlier time."""
        for key, seen in everything:
            for one in seen:
                self.note(key, one)
        self.noted = 0

    def forget(self) -> None:
        """Forget everything, because it came from another containerd."""
        self._kinds.clear()


def _without_highest(ordered: list[float], share: float) -> list[float]:
    return ordered[: len(ordered) - round(len(ordered) * share)]


def _mean_of_most(ordered: list[float]) -> float:
    """Return the mean without the highest values.

    Transport has a long tail. Medians alone would make sums of estimates too low, means alone their medians too high.
    """
    most = _without_highest(ordered, _OUT_OF_MEAN)
    return sum(most) / len(most)


def _spread(ordered: list[float], middle: float) -> float:
    """Return the standard deviation around ``middle``, without the very highest values."""
    most = _without_highest(ordered, _OUT_OF_SPREAD)
    return math.sqrt(sum((value - middle) ** 2 for value in most) / len(most))
