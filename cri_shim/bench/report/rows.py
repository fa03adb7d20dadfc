"""Turn the runs of a comparison into the rows of its report: distributions of each side, ratios, verdicts.

One value of each side and round goes into the ratio: the median of the round's samples. CPU time and memory become rows
where there is enough of them to be compared. Memory is judged by PSS, which counts each page once, or by RSS in files
without PSS.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial
from math import fsum
from typing import TYPE_CHECKING

from cri_shim.bench.measures.memory import HELPERS, SHIMS
from cri_shim.bench.results.schema import KUBELET
from cri_shim.bench.verdicts.estimate import distribution
from cri_shim.bench.verdicts.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.bench.results.schema import Run, SideRun, Step
    from cri_shim.bench.verdicts.estimate import Distribution
    from cri_shim.bench.verdicts.verdict import Verdict

_ENOUGH_CPU = 0.005
_ENOUGH_CPU_IN_TICKS = 0.05
"""Seconds in a run; schema 1, and the machine in all schemas, counted in hundredths."""
_FIRST_OF_FINE_CPU = 2
WITH_MEMORY = ("steady", KUBELET)
"""The scenarios whose memory is shown."""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one step; ``sides`` are those that have it, ``verdicts`` those compared with the first side."""

    step: str
    title: str
    key: str
    label: str
    unit: str
    main: bool
    sides: dict[str, Distribution]
    verdicts: dict[str, Verdict]


def rows_of(run: Run) -> list[Row]:
    """Return every row about which anything can be said."""
    return [row for step in run.steps for row in rows_of_step(run, step)]


def rows_of_step(run: Run, step: Step) -> list[Row]:
    """Return the rows of one step: its metrics, then CPU time and memory."""
    run, rows = run.seen_in(step), []
    for metric in step.metrics:
        key = metric.key
        having = tuple(side.name for side in run.sides if _has_all(step, side.name, key))
        if having:
            rows.append(_row(run, step, having, (key, metric.label, "ms", metric.main), _samples_of(key)))
    for key, label, read in (
        ("daemons", "CPU time of daemons and helpers", partial(daemons_cpu, run)),
        ("machine", "CPU time of the machine", _machine_cpu),
    ):
        lowest = min(
            (read(side.name, one.side_runs[side.name]) for one in step.rounds for side in run.sides), default=0
        )
        fine = run.schema >= _FIRST_OF_FINE_CPU and key == "daemons"
        if _has_left_out(run, step) or lowest < (_ENOUGH_CPU if fine else _ENOUGH_CPU_IN_TICKS):
            continue
        # The runs of `calls` are mostly pauses, in which other work may use the machine.
        if not (step.scenario == "calls" and key == "machine"):
            main = step.scenario in {*WITH_MEMORY, "batch"} and key == "daemons"
            rows.append(_row_by_side(run, step, (f"cpu {key}", label, "s", main), read))
    rows += _kubelet_rows(run, step)
    if step.scenario in WITH_MEMORY:
        if _knows_shims(step) and not _has_left_out(run, step):
            # A shim collects its garbage every two minutes, so the short runs of `steady` see it only by chance.
            about = ("cpu runtime", "CPU time of daemons, helpers and shims", "s", step.scenario == KUBELET)
            rows.append(_row_by_side(run, step, about, partial(_runtime_cpu, run)))
        if knows_pss(run, step):
            about = ("pss daemons", "memory of daemons and helpers (PSS)", "MiB", True)
            rows.append(_row_by_side(run, step, about, partial(_daemons_pss, run)))
        else:
            about = ("memory daemons", "resident memory of the daemons", "MiB", True)
            rows.append(_row_by_side(run, step, about, partial(_daemons_memory, run)))
    return rows


def _kubelet_rows(run: Run, step: Step) -> list[Row]:
    """Return what a kubelet itself takes, and the resident memory of the daemons, which the kubelet's is beside."""
    if step.scenario != KUBELET:
        return []
    return [
        _row_by_side(run, step, (f"cpu {KUBELET}", "CPU time of the kubelet", "s", True), _cpu_of_kubelet),
        _row_by_side(run, step, (f"rss {KUBELET}", "resident memory of the kubelet", "MiB", True), _rss_of_kubelet),
        _row_by_side(run, step, (f"pss {KUBELET}", "memory of the kubelet (PSS)", "MiB", False), _pss_of_kubelet),
        _row_by_side(
            run,
            step,
            ("rss daemons", "resident memory of daemons and helpers", "MiB", True),
            partial(_daemons_memory, run),
        ),
    ]


def _cpu_of_kubelet(_side: str, side_run: SideRun) -> float:
    return side_run.cpu.get(KUBELET, 0.0)


def _rss_of_kubelet(_side: str, side_run: SideRun) -> float:
    return side_run.memory.get(KUBELET, 0.0)


def _pss_of_kubelet(_side: str, side_run: SideRun) -> float:
    return side_run.pss.get(KUBELET, 0.0)


def knows_pss(run: Run, step: Step) -> bool:
    """Return whether the PSS of every daemon is known in every run."""
    return all(
        name in side_run.pss
        for one in step.rounds
        for side, side_run in one.side_runs.items()
        for name in daemons_of(run, side)
    )


def _knows_shims(step: Step) -> bool:
    """Return whether every run has enough CPU time of shims to be compared."""
    return all(
        side_run.cpu.get(SHIMS, 0.0) >= _ENOUGH_CPU for one in step.rounds for side_run in one.side_runs.values()
    )


def _has_left_out(run: Run, step: Step) -> bool:
    """Return whether a side does less in this step than others, so that its CPU time proves nothing."""
    return any(metric.key in side.left_out for metric in step.metrics for side in run.sides)


def _has_all(step: Step, side: str, key: str) -> bool:
    """Return whether a side has samples of a metric in every round; a runtime without an RPC has none."""
    return bool(step.rounds) and all(one.side_runs[side].samples.get(key) for one in step.rounds)


def _samples_of(key: str) -> Callable[[SideRun], list[float]]:
    return lambda side_run: side_run.samples[key]


def daemons_cpu(run: Run, side: str, side_run: SideRun) -> float:
    """Return the CPU seconds of a side's daemons, and of programs that they ran."""
    return fsum(side_run.cpu.get(name, 0.0) for name in (*daemons_of(run, side), "helpers"))


def _runtime_cpu(run: Run, side: str, side_run: SideRun) -> float:
    """Return the CPU seconds of a side's daemons, helpers and shims.

    A daemon that asks its shims for statistics leaves most of that work to them.
    """
    return daemons_cpu(run, side, side_run) + side_run.cpu[SHIMS]


def _machine_cpu(_side: str, side_run: SideRun) -> float:
    return side_run.cpu.get("machine", 0.0)


def _daemons_memory(run: Run, side: str, side_run: SideRun) -> float:
    return fsum(side_run.memory.get(name, 0.0) for name in (*daemons_of(run, side), HELPERS))


def _daemons_pss(run: Run, side: str, side_run: SideRun) -> float:
    return fsum(side_run.pss[name] for name in daemons_of(run, side)) + side_run.pss.get(HELPERS, 0.0)


def daemons_of(run: Run, side: str) -> list[str]:
    """Return the names of a side's daemons."""
    return [process.name for each in run.sides if each.name == side for process in each.processes]


def _row_by_side(run: Run, step: Step, about: tuple[str, str, str, bool], read: Callable[[str, SideRun], float]) -> Row:
    """Return a row of a value that depends on the side, one value for each run."""
    side_of = {id(side_run): side for one in step.rounds for side, side_run in one.side_runs.items()}
    names = tuple(side.name for side in run.sides)
    return _row(run, step, names, about, lambda side_run: [read(side_of[id(side_run)], side_run)])


def _row(
    run: Run,
    step: Step,
    names: tuple[str, ...],
    about: tuple[str, str, str, bool],
    read: Callable[[SideRun], list[float]],
) -> Row:
    """Return a row of the sides that have the values, compared with the first side if that has them."""
    key, label, unit, main = about
    side_runs = [side_run for one in step.rounds for side_run in one.side_runs.values()]
    middle = {name: [statistics.median(read(one.side_runs[name])) for one in step.rounds] for name in names}
    sides = {name: distribution([v for one in step.rounds for v in read(one.side_runs[name])]) for name in names}
    first = run.sides[0].name
    others = [name for name in names if name != first] if min(middle.get(first, [0])) > 0 else []
    verdicts = {other: judge(middle[other], middle[first], side_runs) for other in others}
    return Row(step.name, step.title, key, label, unit, main, sides, verdicts)
