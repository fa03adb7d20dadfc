"""Before anything is timed: did every side do the same work? A run fails if not, for a race on two tracks is none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cri_shim.bench.schema import Parity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.bench.facts import Facts

# Differences that are known, by kind and name, with the reason why they do not make one side's work less.
TOLERATED: dict[tuple[str, str], str] = {}


class NotTheSameError(Exception):
    """The sides differ; ``differences`` has one line for each fact."""

    def __init__(self, differences: list[str]) -> None:
        """Keep the lines."""
        super().__init__("the sides do not do the same work, so nothing was timed:\n" + "\n".join(differences))
        self.differences = differences


def compare(facts: Mapping[str, Facts]) -> Parity:
    """Compare the facts of all sides; raises :class:`NotTheSameError` with every difference."""
    first, *others = facts
    different, tolerated = [], set()
    same: dict[str, int] = {}
    for kind in sorted({kind for side in facts.values() for kind in side}):
        names = sorted({name for side in facts.values() for name in side.get(kind, {})})
        for name in names:
            values = {side: facts[side].get(kind, {}).get(name, "(not there)") for side in facts}
            if all(values[other] == values[first] for other in others):
                same[kind] = same.get(kind, 0) + 1
            elif (kind, name) in TOLERATED:
                tolerated.add(TOLERATED[kind, name])
            else:
                told = "; ".join(f"{side}: {_short(value)}" for side, value in values.items())
                different.append(f"  {kind}{f' of {name}' if name else ''}: {told}")
    wrong = [
        f"  reachability {who}: {side}: {found}"
        for side, its in facts.items()
        for who, found in its.get("reachability", {}).items()
        if found != "answered"
    ]
    if different or wrong:
        raise NotTheSameError([*different, *wrong])
    return Parity(time.time(), same, tuple(sorted(tolerated)))


def _short(value: str, length: int = 300) -> str:
    shown = repr(value)
    return shown if len(shown) <= length else f"{shown[:length]}…"
