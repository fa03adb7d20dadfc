"""Put measured figures into the text of pages: ``python -m lab.measuring.figures`` renews all of them.

A figure stands between two comments, of which the first says where it comes from, its parts separated by semicolons:

``<!-- figure FILE; STEP; KEY; SIDE -->145 ms<!-- end -->``: the median of ``KEY`` in ``FILE.json``
of docs/data.
``<!-- figure FILE; STEP; KEY; SIDE / OTHER -->1.83 (1.62 to 1.94)<!-- end -->``: the ratio, round by round.
``… ; change``: the same ratio as a change in percent. ``… ; claim``: what it says of the claim that the first side
takes more than the other.
``<!-- figure calls; RECORD; FROM; TO; REQUEST -->19<!-- end -->``: how often one part asked another in a recorded pod
start of the explorer; without a request, in the whole start.

In a script it is ``145, // figure FILE; STEP; KEY; SIDE``, a number of milliseconds.

``KEY`` is one of the report's, or ``cpu PROCESS`` (seconds in a run), ``rss PROCESS`` (MiB at its end), in both cases
also ``daemons`` for all of the side's, or ``bill PART RPC``. A test holds the pages to the files, so that no figure
stays when its measurement is repeated.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.bench.measures.memory import HELPERS
from cri_shim.bench.report.rows import daemons_of, rows_of_step
from cri_shim.bench.results.result_file import ResultError, load
from cri_shim.bench.verdicts.verdict import FASTER, REFUSED, SAME, SLOWER, judge
from lab.measuring.marked_tables import renewed
from lab.measuring.medians_table import absolute, medians_table
from lab.measuring.recorded_calls import calls

if TYPE_CHECKING:
    from cri_shim.bench.report.rows import Row
    from cri_shim.bench.results.schema import Run, Step
    from cri_shim.bench.verdicts.verdict import Verdict

DOCS = Path(__file__).resolve().parents[2] / "docs"
RECORDS = DOCS.parent / "cri_shim" / "explorer" / "page"
"""Where the recorded pod starts are that the explorer plays."""
FIGURE = re.compile(r"<!-- figure (?P<source>[^>]+?) -->(?P<value>.*?)<!-- end -->", re.DOTALL)
IN_SCRIPT = re.compile(r"(?P<value>[\d.]+), // figure (?P<source>.+)")
"""The form in a script of the explorer: a number of milliseconds."""
_MEDIANS = re.compile(r"<!-- medians \S+: begin -->")
CLAIMS = {SLOWER: "repeated", FASTER: "refuted", SAME: "refuted: no difference"}
"""What the verdict on a ratio says of the claim that it is above 1."""
CLEAR = 0.1
"""A difference of a tenth in every round is called one also where the run was too short or too noisy for a verdict."""
_AMOUNTS = {"cpu": lambda side_run: side_run.cpu, "rss": lambda side_run: side_run.memory}


class FigureError(ValueError):
    """A comment that names no figure; the text says what is wrong with it."""


class Results:
    """The results in a folder. Each is read once, and its intervals are drawn once, which takes a second."""

    def __init__(self, data: Path, records: Path = RECORDS) -> None:
        self.data = data
        self.records = records
        self._runs: dict[str, Run] = {}
        self._rows: dict[tuple[str, str, str], list[Row]] = {}

    def run(self, name: str) -> Run:
        """Return the run of a file."""
        if name not in self._runs:
            self._runs[name] = load(self.data / f"{name}.json")
        return self._runs[name]

    def step(self, name: str, step: str) -> Step:
        """Return a step of a run; raises StopIteration if it has none of this name."""
        return next(each for each in self.run(name).steps if each.name == step)

    def rows(self, name: str, step: str, first: str = "") -> list[Row]:
        """Return a step's rows, in which the sides are compared with ``first``, or with the run's own first side."""
        run = self.run(name)
        first = first or run.sides[0].name
        if (name, step, first) not in self._rows:
            sides = tuple(sorted(run.sides, key=lambda side: side.name != first))
            self._rows[name, step, first] = rows_of_step(replace(run, sides=sides), self.step(name, step))
        return self._rows[name, step, first]

    def row(self, name: str, step: str, key: str, first: str = "") -> Row:
        """Return one of them; raises StopIteration if there is none with this key."""
        return next(row for row in self.rows(name, step, first) if row.key == key)

    def keys(self, name: str, step: str) -> set[str]:
        """Return the keys of a step's rows."""
        return {row.key for row in self.rows(name, step)}


def figure(source: str, results: Results) -> str:
    """Return the figure that a comment names; raises :class:`FigureError`."""
    name, step, key, sides, form = (part.strip() for part in f"{source};;".split(";")[:5])
    side, _, other = (part.strip() for part in sides.partition("/"))
    try:
        if name == "calls":
            return str(calls(results.records / f"run-{step}.json", key, side, form))
        if key.startswith("bill "):
            _, part, rpc = key.split()
            return f"{_bill(results.step(name, step), side, part, rpc):.3g}"
        if key not in results.keys(name, step):
            return _of_processes(results, (name, step, key), side, other, form)
        if other:
            return _compared(results.row(name, step, key, other).verdicts[side], form)
        return absolute(results.row(name, step, key), side)
    except (KeyError, StopIteration, ValueError, OSError, ResultError) as error:
        raise FigureError(f"{source}: there is no such figure: {error!r}") from None


def _of_processes(results: Results, place: tuple[str, str, str], side: str, other: str, form: str) -> str:
    """Return a figure of the CPU time or the memory of one process, or of a side's daemons and helpers.

    Raises ValueError for any other key.
    """
    name, step_name, key = place
    kind, process = key.split()
    run, step = results.run(name), results.step(name, step_name)

    def values(whose: str) -> list[float]:
        amounts = [_AMOUNTS[kind](one.side_runs[whose]) for one in step.rounds]
        if process != "daemons":
            return [one[process] for one in amounts]
        return [sum(one[name] for name in daemons_of(run, whose)) + one.get(HELPERS, 0.0) for one in amounts]

    if not other:
        value = statistics.median(values(side))
        return f"{value:#.3g} s" if kind == "cpu" else f"{value:.0f} MiB"
    side_runs = [side_run for one in step.rounds for side_run in one.side_runs.values()]
    return _compared(judge(values(side), values(other), side_runs), form)


def _compared(verdict: Verdict, form: str) -> str:
    ratio = verdict.ratio
    if form == "claim":
        return claim_of(verdict)
    if form == "change":
        return f"{(ratio.estimate - 1) * 100:+.0f} %".replace("-", "−")
    text = f"{ratio.estimate:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    return text if verdict.word in {FASTER, SLOWER} else f"{text}, {verdict.word}"


def claim_of(verdict: Verdict) -> str:
    """Return what a verdict says of the claim that the ratio is above 1; without a verdict, only what is clear."""
    if verdict.word != REFUSED:
        return CLAIMS[verdict.word]
    ratio = verdict.ratio
    seen = SLOWER if ratio.low > 1 + CLEAR else FASTER if ratio.high < 1 - CLEAR else SAME
    return f"{CLAIMS[seen]} (no verdict)"


def _bill(step: Step, side: str, part: str, rpc: str) -> float:
    """Return the median of one part of an RPC's bills; milliseconds, or a count."""
    return statistics.median(
        value for one in step.rounds for value in one.side_runs[side].bills[rpc].parts.get(part, [0.0])
    )


def with_figures(page: str, results: Results) -> str:
    """Return the text of a page with each figure and each table as the results give it."""

    def made(match: re.Match[str]) -> str:
        return f"<!-- figure {match['source']} -->{figure(match['source'], results)}<!-- end -->"

    def in_script(match: re.Match[str]) -> str:
        return f"{figure(match['source'], results).removesuffix(' ms')}, // figure {match['source']}"

    with_values = IN_SCRIPT.sub(in_script, FIGURE.sub(made, page))
    return renewed(with_values, "medians", lambda name: medians_table(results.run(name), name))


def pages() -> list[Path]:
    """Return the pages and scripts that have figures or tables of this kind."""
    every = [*sorted(DOCS.rglob("*.md")), *sorted(RECORDS.glob("*.js"))]
    return [
        page for page in every if any(kind.search(page.read_text("utf-8")) for kind in (FIGURE, IN_SCRIPT, _MEDIANS))
    ]


def main() -> None:
    """Renew every page."""
    argparse.ArgumentParser(prog="python -m lab.measuring.figures", description=__doc__).parse_args()
    results = Results(DOCS / "data")
    for page in pages():
        page.write_text(with_figures(page.read_text("utf-8"), results), encoding="utf-8")
        sys.stdout.write(f"renewed the figures of {page.relative_to(DOCS.parent)}\n")


if __name__ == "__main__":
    main()
