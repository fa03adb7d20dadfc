"""Choose the plots of each step, and what goes into them."""

from __future__ import annotations

import statistics
from math import fsum
from typing import TYPE_CHECKING

from cri_shim.bench.measures.memory import HELPERS, SHIMS
from cri_shim.bench.report import plots, prose, split
from cri_shim.bench.report.blocks import Picture
from cri_shim.bench.report.rows import WITH_MEMORY, daemons_of, knows_pss
from cri_shim.bench.results.schema import KUBELET
from cri_shim.bench.verdicts.verdict import FASTER, SLOWER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.report.rows import Row
    from cri_shim.bench.results.schema import Run, SideRun, Step

_REST = "rest of the machine"
_GREY = 5


def ratios(run: Run, rows: Sequence[Row], name: str = "ratios") -> list[Picture]:
    """Return the ratio of each row, one picture for each side but the first."""
    first, *others = [side.name for side in run.sides]
    charts = []
    for other in others:
        judged = [(row, row.verdicts[other]) for row in rows if other in row.verdicts]
        intervals = [(_in_context(row), each.ratio, each.word in {FASTER, SLOWER}) for row, each in judged]
        if intervals:
            caption = prose.RATIOS.format(other=other, first=first)
            suffix = f"-{other}" if len(others) > 1 else ""
            charts.append(Picture(f"{name}{suffix}", plots.forest(intervals, first), caption))
    return charts


def of_step(run: Run, step: Step, rows: Sequence[Row], suffix: str = "") -> list[Picture]:
    """Return the plots of one step: distributions, the curve of a batch, where the time goes, CPU, memory.

    ``suffix`` ends their names, where several groups of sides are shown of one step.
    """
    charts = []
    stem = f"{step.name.replace('@', '-at-').replace(' ', '-')}{suffix}"
    timed = [(row.label, row.sides) for row in rows if row.unit == "ms"]
    if timed:
        caption = "Box: first to third quartile, with the median; line: p5 to p95; dot: p99."
        charts.append(Picture(f"{stem}-times", plots.boxes(timed, "ms"), caption))
    if step.scenario == "batch":
        charts += [*_curve(run, step, stem, "runs"), *_curve(run, step, stem, "gone")]
    charts += split.pictures(run, step, stem)
    caption = (
        "CPU time per turn, mean: each daemon, the programs it ran, shims that lived through the turn, the client."
    )
    charts.append(Picture(f"{stem}-cpu", _cpu(run, step), caption))
    if step.scenario in WITH_MEMORY:
        fair = knows_pss(run, step)
        caption = "Memory of daemons and shims (PSS)." if fair else "Resident memory of daemons, proportional of shims."
        charts.append(Picture(f"{stem}-memory", _memory(run, step, fair=fair), caption))
    return charts


def _curve(run: Run, step: Step, stem: str, what: str) -> list[Picture]:
    """Return the curve of the pods of every side that has such times."""
    key = f"pod {what}"
    series = {
        side.name: [[ms / 1000 for ms in one.side_runs[side.name].samples[key]] for one in step.rounds]
        for side in run.sides
        if all(one.side_runs[side.name].samples.get(key) for one in step.rounds)
    }
    name = {"runs": "Pods that run", "gone": "Pods that are gone"}[what]
    caption = f"{name}, by seconds since all were asked for at once: one line a round, the median round thick."
    return [Picture(f"{stem}-{what}", plots.curves(series, "s", name), caption)] if series else []


def cpu_parts(run: Run, step: Step) -> dict[str, dict[str, float]]:
    """Return for each side the mean CPU seconds of a run by who used them; together they are the machine's."""
    parts = {}
    for side in run.sides:
        side_runs = [one.side_runs[side.name] for one in step.rounds]
        above = [KUBELET] if any(KUBELET in side_run.cpu for side_run in side_runs) else []
        own = {part: _mean(side_runs, part) for part in (*above, *_daemons(run), "helpers", "shims", "client")}
        own[_REST] = max(0.0, _mean(side_runs, "machine") - fsum(own.values()))
        parts[side.name] = own
    return parts


def _cpu(run: Run, step: Step) -> str:
    bars = cpu_parts(run, step)
    parts = [part for part in next(iter(bars.values())) if part != _REST]
    colours = {part: min(colour, _GREY - 1) for colour, part in enumerate(parts)} | {_REST: _GREY}
    return plots.stacks(list(bars.items()), colours, "CPU s per turn", "CPU time per turn")


def _mean(side_runs: Sequence[SideRun], name: str) -> float:
    return statistics.fmean(side_run.cpu.get(name, 0.0) for side_run in side_runs)


def _daemons(run: Run) -> list[str]:
    return list(dict.fromkeys(name for side in run.sides for name in sorted(daemons_of(run, side.name))))


def _memory(run: Run, step: Step, *, fair: bool) -> str:
    has_helpers = any(HELPERS in side_run.pss for one in step.rounds for side_run in one.side_runs.values())
    has_kubelet = any(KUBELET in side_run.pss for one in step.rounds for side_run in one.side_runs.values())
    parts = [*([KUBELET] if has_kubelet else []), *_daemons(run), *([HELPERS] if has_helpers else []), SHIMS]
    bars = []
    for side in run.sides:
        sizes = [
            side_run.pss if fair else side_run.memory for side_run in (one.side_runs[side.name] for one in step.rounds)
        ]
        bars.append((side.name, {part: statistics.median(each.get(part, 0.0) for each in sizes) for part in parts}))
    colours = {part: min(colour, _GREY) for colour, part in enumerate(parts)}
    return plots.stacks(bars, colours, "MiB", "Memory at the end of a turn")


def _in_context(row: Row) -> str:
    return f"{row.step}: {row.label}"
