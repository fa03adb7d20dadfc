"""Check that the parts of a result fit together, because an edited or cut file may have the right form but no sense.

Reports assume that each round has a run of every side, and each bill a value for every request. A file from elsewhere
is checked once, when it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from untrusted.text import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cri_shim.bench.results.schema import Bills, Round, Run, SideRun, Step

LARGEST = 1e12
"""Above any time in ms, CPU time, memory or moment of a run, and small enough to be added up and squared."""


def why_damaged(run: Run) -> str:
    """Return what does not fit together, as a part of a sentence; empty for a whole run."""
    return next(_faults(run), "")


def _faults(run: Run) -> Iterator[str]:
    names = [side.name for side in run.sides]
    if not names:
        yield "it has no side"
    if len(set(names)) < len(names):
        yield "two of its sides have one name"
    if not 0 <= run.started_at <= LARGEST / 10:
        yield "the moment at which it began is not valid"
    for step in run.steps:
        if not step.rounds:
            yield f"{escaped(step.name)} has no round"
        for one in step.rounds:
            where = f"round {one.number + 1} of {escaped(step.name)}"
            yield from (f"{where} {fault}" for fault in _faults_of_round(names, step, one))


def _faults_of_round(sides: Iterable[str], step: Step, one: Round) -> Iterator[str]:
    wanted = {*sides} - step.left_out.keys()
    if step.scenario == _FLOOR:
        wanted.add(_FLOOR)
    for name in sorted(wanted - one.side_runs.keys()):
        yield f"has no turn of {escaped(name)}"
    for name, side_run in one.side_runs.items():
        yield from (f"has {fault} in the turn of {escaped(name)}" for fault in _faults_of_side_run(side_run))


def _faults_of_side_run(side_run: SideRun) -> Iterator[str]:
    amounts = (side_run.cpu, side_run.memory, side_run.pss, side_run.uss)
    if not _are_possible(abs(value) for each in amounts for value in each.values()):
        yield "an amount of CPU time or memory that cannot be"
    for key, values in side_run.samples.items():
        if not _are_possible(values):
            yield f"a time of {escaped(key)} that cannot be"
    for rpc, bills in side_run.bills.items():
        if not _is_whole(bills):
            yield f"bills of {escaped(rpc)} that are not whole"


def _is_whole(bills: Bills) -> bool:
    return all(len(values) == bills.count and _are_possible(map(abs, values)) for values in bills.parts.values())


def _are_possible(values: Iterable[float]) -> bool:
    return all(0 <= value <= LARGEST for value in values)


_FLOOR = "floor"
"""The scenario, and the name of its script among the sides (:mod:`scenarios.floor`, which would import gRPC)."""
