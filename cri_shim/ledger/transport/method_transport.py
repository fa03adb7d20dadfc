"""What containerd's spans have said of the transport of each kind of hop, for the hops of which they say nothing.

Two things are remembered of a kind, which is a method of containerd's in a CRI method at a level of load: by how much
transport differed from what null calls made of it, and how long containerd worked. Where containerd works evenly (it
looks something up), what is left of a hop after its usual time is the better estimate of transport; where its time
varies (it starts a process), the corrected null call is. Both are taken, each by the inverse of its variance.
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
"""Kinds of hops that are remembered; beyond it the one that was seen longest ago goes."""
REMEMBERED: Final = 20
"""Hops of each kind: enough for a median, few enough to follow what else the machine does."""
ENOUGH: Final = 3
"""Hops of a kind from which on what was seen of them counts."""
_TOGETHER = 3  # hops that are added before what is usual is worked out anew
_OUT_OF_MEAN, _OUT_OF_SPREAD = 0.15, 0.05  # shares of the values, the highest, that are left out
_LEAST = 0.00001  # seconds that no spread is below: two equal samples do not make a certainty
_USUAL = 0.68  # share of values that an error covers


class Observation(NamedTuple):
    """What spans said of one hop. All in seconds but ``ratio``."""

    ratio: float
    """Its transport as a multiple of what null calls made of it."""
    daemon: float
    """How long containerd worked."""
    missed: float
    """How far off the estimate was that had been made of its transport."""


class Usual(NamedTuple):
    """What is usual of one kind of hop, in seconds but for ``ratio``; ``…_error`` are standard deviations."""

    hops: int
    ratio: float
    ratio_error: float
    daemon: float
    daemon_error: float
    error: float
    """Seconds; two thirds of the estimates were off by no more."""


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
        """What is usual, worked out anew when enough was added; None while too little was seen."""
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
        """Hops that were added since the start."""

    def __len__(self) -> int:
        """Kinds that are known."""
        return len(self._kinds)

    def note(self, key: Key, seen: Observation) -> None:
        """Add what containerd's span said of a hop."""
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = _Kind()
            if len(self._kinds) > KINDS:
                self._kinds.popitem(last=False)
        kind.note(seen)
        self._kinds.move_to_end(key)
        self.noted += 1

    def estimate(self, key: Key, duration: float, by_null_calls: float) -> Estimate | None:
        """The transport of a hop that took ``duration`` seconds; None if too little was seen of any of its levels."""
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
        """Kinds of which enough was seen, and what is usual of them."""
        known = ((key, kind.known()) for key, kind in self._kinds.items())
        return [(key, usual) for key, usual in known if usual is not None]

    def all(self) -> Iterator[tuple[Key, list[Observation]]]:
        """Everything: kinds, and what was seen of each, oldest first."""
        for key, kind in self._kinds.items():
            yield key, list(kind.seen)

    def restore(self, everything: Iterable[tuple[Key, Iterable[Observation]]]) -> None:
        """Take in what :meth:`all` gave at an earlier time."""
        for key, seen in everything:
            for one in seen:
                self.note(key, one)
        self.noted = 0

    def forget(self) -> None:
        """Forget everything: it was said of another containerd."""
        self._kinds.clear()


def _without_highest(ordered: list[float], share: float) -> list[float]:
    return ordered[: len(ordered) - round(len(ordered) * share)]


def _mean_of_most(ordered: list[float]) -> float:
    """The mean without the highest.

    Transport has a long tail. Medians alone would make sums of estimates too low, means alone their medians too high.
    """
    most = _without_highest(ordered, _OUT_OF_MEAN)
    return sum(most) / len(most)


def _spread(ordered: list[float], middle: float) -> float:
    """The standard deviation around ``middle``, without the very highest."""
    most = _without_highest(ordered, _OUT_OF_SPREAD)
    return math.sqrt(sum((value - middle) ** 2 for value in most) / len(most))
