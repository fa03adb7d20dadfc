"""Say which sides do other work than the first one, and what: their numbers are shown apart, never in its ranking.

The rule is strict on purpose: one fact that differs is enough, because only a reader can weigh it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cri_shim.bench.parity.facts import REACHED
from cri_shim.bench.results.schema import Difference
from untrusted.text import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cri_shim.bench.results.schema import Run, Side

POD_PROCESS = "pod process"
_REACHABILITY = "reachability"
_WITH_VALUES = (POD_PROCESS, "network", "namespaces", "log lines", "statistics", _REACHABILITY)
"""The kinds whose values say in a word what a side does or leaves out; they stand first."""
_LONGEST_VALUE = 80


def facts_that_differ(differences: Iterable[Difference], first: str, side: str) -> list[Difference]:
    """Return the facts in which a side is not like the first one."""
    differing = []
    for each in differences:
        own = each.values.get(side)
        fails = each.kind == _REACHABILITY and own != REACHED
        if own is not None and (own != each.values.get(first) or fails):
            differing.append(each)
    return differing


def names_by_side(differences: Sequence[Difference], sides: Sequence[str]) -> dict[str, list[str]]:
    """Return the sides that do other work than the first one of ``sides``, each with the facts by kind and name."""
    first, *others = sides
    return {
        side: [f"{each.kind}: {escaped(each.name)}" if each.name else each.kind for each in differing]
        for side in others
        if (differing := facts_that_differ(differences, first, side))
    }


def of_run(run: Run) -> dict[str, list[Difference]]:
    """Return by side, for each that does other work than the first one, the facts in which they differ."""
    if run.parity is None:
        return {}
    first, *others = run.sides
    known = [*run.parity.differences, *_pause_by_configuration(run)]
    named = {side.name: facts_that_differ(known, first.name, side.name) for side in others}
    return {side: differing for side, differing in named.items() if differing}


def in_words(differing: Sequence[Difference], side: str) -> str:
    """Return what a side does differently as one line; the table of differences has all values."""
    kinds = sorted({each.kind for each in differing}, key=_place)
    return "; ".join(_kind_in_words(kind, [each for each in differing if each.kind == kind], side) for kind in kinds)


def _place(kind: str) -> tuple[int, str]:
    return (_WITH_VALUES.index(kind) if kind in _WITH_VALUES else len(_WITH_VALUES), kind)


def _kind_in_words(kind: str, differing: Sequence[Difference], side: str) -> str:
    if kind not in _WITH_VALUES:
        names = [escaped(each.name) for each in differing if each.name]
        return f"{kind} ({', '.join(names)})" if names else kind
    values = [f"{escaped(each.name)} {escaped(each.values[side], _LONGEST_VALUE)}".strip() for each in differing]
    return f"{kind}: {', '.join(values)}"


def _pause_by_configuration(run: Run) -> list[Difference]:
    """Return the difference that results from before this fact was checked have only in their configurations."""
    if run.parity is None or POD_PROCESS in run.parity.facts:
        return []
    if any(each.kind == POD_PROCESS for each in run.parity.differences):
        return []
    values = {side.name: "none" if _is_pinned(side) else "one" for side in run.sides}
    if len(set(values.values())) == 1:
        return []
    return [Difference(POD_PROCESS, "", values)]


def _is_pinned(side: Side) -> bool:
    """Return whether a side says that its pods' namespaces are kept without a process."""
    try:
        configuration = json.loads(side.configuration)
    except ValueError:
        return False
    sandbox = configuration.get("sandbox") if isinstance(configuration, dict) else None
    return isinstance(sandbox, dict) and sandbox.get("infra") == "pinned"
