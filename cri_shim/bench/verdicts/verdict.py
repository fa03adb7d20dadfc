"""Decide what may be said of a metric: faster, slower, no difference seen, or nothing, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cri_shim.bench.verdicts import noise
from cri_shim.bench.verdicts.estimate import paired_ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.results.schema import SideRun
    from cri_shim.bench.verdicts.estimate import Interval

# With fewer pairs than this an interval means nothing.
MIN_PAIRS = 4
# An interval wider than this share of its estimate proves nothing, unless all of it lies on one side of 1.
MAX_WIDTH = 0.30

FASTER, SLOWER, SAME, REFUSED = "faster", "slower", "no difference seen", "no verdict"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, the ratio behind it, and the reasons if it is :data:`REFUSED`."""

    word: str
    ratio: Interval
    reasons: tuple[str, ...] = ()


def judge(ours: Sequence[float], theirs: Sequence[float], side_runs: Sequence[SideRun]) -> Verdict:
    """Judge by one value of each side for each round; ``side_runs`` show how quiet the machine was meanwhile.

    Raises ValueError for values that make no pairs.
    """
    ratio = paired_ratio(ours, theirs)
    reasons = list(noise.objections(side_runs))
    if ratio.pairs < MIN_PAIRS:
        reasons.append(f"{ratio.pairs} pairs are too few (at least {MIN_PAIRS})")
    one_sided = ratio.high < 1 or ratio.low > 1
    if not one_sided and ratio.width > MAX_WIDTH:
        reasons.append(f"the interval is {ratio.width:.0%} of the ratio wide and has 1 in it")
    if reasons:
        return Verdict(REFUSED, ratio, tuple(reasons))
    if ratio.high < 1:
        return Verdict(FASTER, ratio)
    if ratio.low > 1:
        return Verdict(SLOWER, ratio)
    return Verdict(SAME, ratio)
