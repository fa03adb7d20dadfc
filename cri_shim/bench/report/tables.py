"""Build the tables of the report."""

from __future__ import annotations

import statistics
from math import fsum
from typing import TYPE_CHECKING

from cri_shim.bench.measures.memory import HELPERS, SHIMS
from cri_shim.bench.report.blocks import Table
from cri_shim.bench.report.numbers import number, percent, ratio
from cri_shim.bench.report.pictures import cpu_parts
from cri_shim.bench.report.rows import daemons_of
from cri_shim.bench.results.schema import KUBELET
from cri_shim.bench.verdicts import noise
from cri_shim.bench.verdicts.verdict import REFUSED
from untrusted.text import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.report.rows import Row
    from cri_shim.bench.results.schema import Run, SideRun, Step


def first_page(run: Run, rows: Sequence[Row]) -> Table:
    """Return the rows that matter most: the medians, the ratio, the verdict."""
    first, *others = [side.name for side in run.sides]
    head = ("what", "idle pods", "unit", *(f"{side}, p50" for side in (first, *others)))
    head += tuple(word for other in others for word in (f"{other} / {first}", "verdict"))
    return Table(
        head,
        tuple(
            (
                f"{row.title}: {row.label}",
                row.step.partition("@")[2].replace(" ", ", ", 1) or "0",
                row.unit,
                *(number(row.sides[side].p50, row.unit) if side in row.sides else "" for side in (first, *others)),
                *(cell for other in others for cell in _judged(row, other)),
            )
            for row in rows
            if row.main
        ),
    )


def of_step(run: Run, rows: Sequence[Row]) -> Table:
    """Return everything of one step, one line for each metric and side."""
    first = run.sides[0].name
    lines = []
    for row in rows:
        for side, each in row.sides.items():
            cuts = (*(number(cut, row.unit) for cut in (each.p50, each.p95, each.p99, each.high)), str(each.count))
            judged = ("1.00", "") if side == first else _judged(row, side)
            lines.append((row.label, side, row.unit, *cuts, *judged))
    return Table(
        ("what", "side", "unit", "p50", "p95", "p99", "max", "n", f"ratio to {first}", "verdict"), tuple(lines), 2
    )


def differences(run: Run) -> Table:
    """Return what the sides do not have in common, fact by fact."""
    all_differences = run.parity.differences if run.parity else ()
    names = [side.name for side in run.sides]
    lines = [
        (each.kind, escaped(each.name), *(as_text(each.values.get(name, "")) for name in names))
        for each in all_differences
    ]
    return Table(("kind", "what", *names), tuple(lines), 2 + len(names))


def as_text(value: str) -> str:
    """Return a value from a runtime without what the report would read as code or as strong words."""
    return value.replace("`", "'").replace("**", "* *")


def quiet(run: Run) -> Table:
    """Return how quiet the machine was in each step."""
    lines = []
    for step in run.steps:
        side_runs = [side_run for one in step.rounds for side_run in one.side_runs.values()]
        if not side_runs:
            continue
        loops = sorted(side_run.probe.loop_ms for side_run in side_runs)
        lines.append(
            (
                step.name,
                str(len(step.rounds)),
                percent(sum(side_run.probe.waited > noise.DISTURBED for side_run in side_runs) / len(side_runs)),
                percent(max(side_run.probe.waited for side_run in side_runs)),
                f"{number(loops[0])} to {number(loops[-1])}",
                percent(statistics.fmean(side_run.stolen for side_run in side_runs)),
                number(max(side_run.probe.load for side_run in side_runs)),
                "not quiet" if noise.objections(side_runs) else "quiet enough",
            )
        )
    head = ("step", "rounds", "turns disturbed", "worst", "loop, CPU ms", "stolen", "load, max", "judgement")
    return Table(head, tuple(lines))


def _judged(row: Row, side: str) -> tuple[str, str]:
    verdict = row.verdicts.get(side)
    if verdict is None:
        return "", ""
    word = verdict.word if verdict.word == REFUSED else f"**{verdict.word}**"
    return ratio(verdict.ratio), word


def cpu(run: Run, step: Step) -> Table:
    """Return the mean CPU seconds of a run by who used them, and its wall time."""
    parts = cpu_parts(run, step)
    names = list(next(iter(parts.values())))
    lines = []
    for side, own in parts.items():
        wall = statistics.fmean(one.side_runs[side].seconds for one in step.rounds)
        lines.append((side, *(f"{value:.3f}" for value in (wall, *(own[name] for name in names), fsum(own.values())))))
    return Table(("side, seconds per turn", "wall", *names, "machine"), tuple(lines))


def memory(run: Run, step: Step) -> Table:
    """Return the MiB of each daemon and the shims of a side at the end of a run, by three measures: medians."""
    lines = []
    for side in run.sides:
        side_runs = [one.side_runs[side.name] for one in step.rounds]
        daemons = daemons_of(run, side.name)
        helpers = [HELPERS] if any(HELPERS in side_run.pss for side_run in side_runs) else []
        together = [*daemons, *helpers]
        kubelet = [KUBELET] if any(KUBELET in side_run.pss for side_run in side_runs) else []
        lines += [(side.name, name, *_three_measures(side_runs, [name])) for name in (*kubelet, *together, SHIMS)]
        if len(together) > 1:
            name = "daemons and helpers" if helpers else "all daemons"
            lines.append((side.name, name, *_three_measures(side_runs, together)))
    return Table(("side, MiB at the end of a turn", "of", "RSS", "PSS", "USS"), tuple(lines), 2)


def _three_measures(side_runs: Sequence[SideRun], names: Sequence[str]) -> tuple[str, ...]:
    """Return the sums of RSS, PSS and USS of some processes; empty where one of them is not known."""
    cells = []
    for measure in (
        [side_run.memory for side_run in side_runs],
        [side_run.pss for side_run in side_runs],
        [side_run.uss for side_run in side_runs],
    ):
        known = all(name in sizes for sizes in measure for name in names)
        sums = [fsum(sizes.get(name, 0.0) for name in names) for sizes in measure]
        cells.append(number(statistics.median(sums)) if known else "")
    return tuple(cells)
