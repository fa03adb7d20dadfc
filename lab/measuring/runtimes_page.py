"""Put the short tables of measured runtimes into docs/performance.md: ``python -m lab.measuring.runtimes_page``.

Between ``<!-- runtimes NAME: begin -->`` and ``<!-- runtimes NAME: end -->`` stands the table of the result
``NAME.json`` in docs/data: one row for each side, the first side's medians in absolute numbers, those of the others as
the ratio to it. An emulated machine has only ratios. Below it stand all measures in which this project's sides are
slower, the versions, and the command that repeats the run. A test holds the page to the files.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.bench.report.rows import rows_of, rows_of_step
from cri_shim.bench.report.tables import as_text
from cri_shim.bench.report.views import other_sides, shown_views
from cri_shim.bench.results.result_file import load
from cri_shim.bench.verdicts.verdict import FASTER, REFUSED, SLOWER
from lab.measuring.marked_tables import renewed

if TYPE_CHECKING:
    from cri_shim.bench.report.rows import Row
    from cri_shim.bench.report.views import View
    from cri_shim.bench.results.schema import Run, Side, Step

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "performance.md"
_NOTHING = "–"
_NUMBER = re.compile(r"\b\d+\.\d+\.\d+\S*")
OURS = ("bridge", "pinned")
EMULATED = "QEMU"
"""How the name of an emulated CPU begins; what is measured there takes many times as long as on a real one."""


@dataclass(frozen=True, slots=True)
class Column:
    """One measure: the scenario that has it, its key there, and what the table calls it."""

    scenario: str
    key: str
    heading: str


COLUMNS = (
    Column("life", "pod start", "pod start"),
    Column("life", "pod end", "pod end"),
    Column("exec", "ExecSync", "ExecSync"),
    Column("batch", "last pod runs", "{count} pods at once, last runs"),
    Column("batch", "last pod gone", "last is gone"),
    Column("batch", "cpu machine", "machine CPU of both"),
    Column("pull", "PullImage", "PullImage"),
    Column("calls", "ListPodSandbox", "ListPodSandbox, no pods"),
    Column("steady", "cpu daemons", "daemons' CPU, {count} idle pods"),
    Column("steady", "pss daemons", "daemons' PSS, {count} idle pods"),
    Column("kubelet", "cpu kubelet", "kubelet's CPU, {count} pods"),
    Column("kubelet", "cpu daemons", "daemons' CPU"),
    Column("kubelet", "cpu runtime", "with the shims'"),
    Column("kubelet", "rss kubelet", "kubelet's RSS"),
    Column("kubelet", "rss daemons", "daemons' RSS"),
)


def table(run: Run, name: str) -> str:
    """Return, in Markdown, the table of a run without the columns that it does not have, and what belongs below it."""
    lines: list[str] = []
    for view in shown_views(run):
        if view.apart:
            lines += [*([""] if lines else []), *_apart(view)]
        lines += _lines(view.run)
    return "\n".join([*lines, "", *_slower(rows_of(run)), *_source(run, name)])


def _lines(run: Run) -> list[str]:
    """Return the head and the rows of a table."""
    columns = _columns([(step, rows_of_step(run, step)) for step in run.steps])
    lines = [f"| side | {' | '.join(heading for heading, _ in columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for number, side in enumerate(run.sides):
        first = _one if run.machine.cpu.startswith(EMULATED) else _absolute
        cells = (_ratio(row, side.name) if number else first(row, side.name) for _, row in columns)
        lines.append(f"| {side.name} | {' | '.join(cells)} |")
    return lines


def _apart(view: View) -> list[str]:
    """Return what stands above the table of the sides that do other work: what that is, side by side."""
    said = [f"- **{side}**: {as_text(what)}" for side, what in other_sides(view.run).items()]
    first = view.run.sides[0].name
    return [f"Apart, because their pods are not the same as those of {first}:", "", *said, ""]


def _columns(by_step: list[tuple[Step, list[Row]]]) -> list[tuple[str, Row]]:
    """Return the headings and rows that a run has, in the order of the table: of each scenario the first step."""
    by_key: dict[tuple[str, str], tuple[str, Row]] = {}
    for step, rows in by_step:
        for row in rows:
            count = step.options.get("at_once", step.pods)
            by_key.setdefault((step.scenario, row.key), (f"{count:.0f}", row))
    return [
        (column.heading.format(count=by_key[column.scenario, column.key][0]), by_key[column.scenario, column.key][1])
        for column in COLUMNS
        if (column.scenario, column.key) in by_key
    ]


def _absolute(row: Row, side: str) -> str:
    """Return a median with its unit; seconds where milliseconds would have five digits."""
    if side not in row.sides:
        return _NOTHING
    value, unit = row.sides[side].p50, row.unit
    if unit == "ms" and value >= 1000:
        value, unit = value / 1000, "s"
    return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def _one(row: Row, side: str) -> str:
    """Return what stands for a number that would say nothing."""
    return "1" if side in row.sides else _NOTHING


def _ratio(row: Row, side: str) -> str:
    """Return a ratio to the first side with its interval: bold when faster, marked where it has no verdict."""
    if side not in row.verdicts:
        return _NOTHING
    verdict = row.verdicts[side]
    ratio = verdict.ratio
    text = f"{ratio.estimate:.2f}"
    if verdict.word == REFUSED:
        return f"{text} ?"
    text = f"**{text}**" if verdict.word == FASTER else text
    return f"{text} ({ratio.low:.2f} to {ratio.high:.2f})" if verdict.word in {FASTER, SLOWER} else f"{text} ="


def _slower(rows: list[Row]) -> list[str]:
    """Return a paragraph for each of our sides with every measure that has the verdict "slower", the worst first."""
    lines = []
    for side in OURS:
        slower = [row for row in rows if side in row.verdicts and row.verdicts[side].word == SLOWER]
        slower.sort(key=lambda row: row.verdicts[side].ratio.estimate, reverse=True)
        if slower:
            texts = (f"{row.label} ({row.step}) {row.verdicts[side].ratio.estimate:.2f}" for row in slower)
            lines += [f"Slower, with a verdict, is `{side}` in: {', '.join(texts)}.", ""]
    return lines


def _source(run: Run, name: str) -> list[str]:
    """Return the lines that say when, on what, by which command, from which file, and every side's versions."""
    machine = run.machine
    day = time.strftime("%Y-%m-%d, %H:%M UTC", time.gmtime(run.started_at))
    where = f"{machine.cores} cores ({machine.cpu}), {machine.kernel}, cgroups {machine.cgroups}, {machine.runc}"
    emulated = ["The machine is emulated, so only the ratios count."] if machine.cpu.startswith(EMULATED) else []
    return [
        f"{day}, {where}.",
        *emulated,
        f"Result: [data/{name}.json](data/{name}.json). Sides: {'; '.join(map(versions, run.sides))}. Command:",
        "",
        "```",
        run.command,
        "```",
        "",
    ]


def versions(side: Side) -> str:
    """Return a side's name with the versions of its runtime and of the other daemons that work for it."""
    behind = [
        f"{process.name} {number[0]}"
        for process in side.processes
        if process.name not in side.runtime and (number := _NUMBER.findall(process.version))
    ]
    return f"{side.name} is {side.runtime}" + (f" with {' and '.join(behind)}" if behind else "")


def with_tables(page: str, data: Path) -> str:
    """Return the page with each table as the results in ``data`` give it."""
    return renewed(page, "runtimes", lambda name: table(load(data / f"{name}.json"), name))


def main() -> None:
    """Renew the page."""
    argparse.ArgumentParser(prog="python -m lab.measuring.runtimes_page", description=__doc__).parse_args()
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), DOCS / "data"), encoding="utf-8")
    sys.stdout.write(f"renewed the tables of {PAGE}\n")


if __name__ == "__main__":
    main()
