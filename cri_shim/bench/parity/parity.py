"""Check before anything is timed whether all sides do the same work; the differences are a part of the result.

A side that does less may be faster for it, and only a reader can weigh that: a runtime without a pause process saves
the start of one. So a difference is a row of the report, and a refusal only if the user required parity.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cri_shim.bench.parity.facts import REACHED
from cri_shim.bench.parity.other_work import names_by_side
from cri_shim.bench.results.schema import Difference, Parity
from untrusted.text import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.bench.parity.facts import Facts

# Known differences, by kind and name, with the reason why they do not make one side's work less.
TOLERATED: dict[tuple[str, str], str] = {}
_NOT_THERE = "(not there)"
_LONGEST_VALUE = 300


class NotTheSameError(Exception):
    """The sides differ, and the user required that they do not."""

    def __init__(self, parity: Parity) -> None:
        """List every difference, one on each line."""
        lines = [f"  {in_words(each)}" for each in parity.differences]
        super().__init__("the sides do not do the same work, so nothing was timed:\n" + "\n".join(lines))


def compare(facts: Mapping[str, Facts]) -> Parity:
    """Return the facts of all sides compared; the first side is the one that the others are judged by."""
    different, tolerated = [], set()
    same: dict[str, int] = {}
    for kind in sorted({kind for side in facts.values() for kind in side}):
        for name in sorted({name for side in facts.values() for name in side.get(kind, {})}):
            values = {side: its.get(kind, {}).get(name, _NOT_THERE) for side, its in facts.items()}
            failed = kind == "reachability" and set(values.values()) != {REACHED}
            if len(set(values.values())) == 1 and not failed:
                same[kind] = same.get(kind, 0) + 1
            elif (kind, name) in TOLERATED:
                tolerated.add(TOLERATED[kind, name])
            else:
                different.append(Difference(kind, name, _what_differs(values)))
    other = names_by_side(different, tuple(facts))
    return Parity(time.time(), same, tuple(sorted(tolerated)), tuple(different), other)


def require_same(parity: Parity) -> None:
    """Raise :class:`NotTheSameError` when there is a difference."""
    if parity.differences:
        raise NotTheSameError(parity)


def in_words(difference: Difference) -> str:
    """Return a difference as one line."""
    of = f" of {escaped(difference.name)}" if difference.name else ""
    values = "; ".join(f"{side}: {value}" for side, value in difference.values.items())
    return f"{difference.kind}{of}: {values}"


def _what_differs(values: Mapping[str, str]) -> dict[str, str]:
    """Return each value on one line and of bounded length; of several lines only those that not all sides have."""
    lines = {side: value.splitlines() for side, value in values.items()}
    common = set.intersection(*(set(each) for each in lines.values()))
    differences = {}
    for side, value in values.items():
        own = [line.strip() for line in lines[side] if line not in common]
        # The same lines in another order, or repeated another number of times.
        shown = " / ".join(own or lines[side]) if len(lines[side]) > 1 else value.strip()
        differences[side] = escaped(shown, _LONGEST_VALUE) if shown else "(empty)"
    return differences
