"""Put the article's four figures beside ours into docs/claims.md: ``python -m lab.measuring.article_figures``.

Between ``<!-- four figures NAME: begin -->`` and ``<!-- four figures NAME: end -->`` stands the table of the result
``NAME.json`` in docs/data, measured by ``cri-shim compare --kubelet``. The article gives only changes in percent, from
Docker to the plugin. In 2018 dockershim was a part of the kubelet; today it is a daemon, cri-dockerd, so each figure
stands there twice: as the processes are now, and with cri-dockerd counted for the kubelet. A test holds the page to the
file.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING

from cri_shim.bench.measures.memory import HELPERS
from cri_shim.bench.report.rows import daemons_of
from cri_shim.bench.results.result_file import load
from cri_shim.bench.results.schema import KUBELET
from cri_shim.bench.verdicts.verdict import REFUSED, SAME, judge
from lab.measuring.marked_tables import renewed
from lab.measuring.runtimes_page import DOCS, versions

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.bench.results.schema import Run, SideRun, Step

PAGE = DOCS / "claims.md"
DOCKER = "cri-dockerd"
"""The side that stands for Docker, and the process that was a part of the kubelet then."""
_RUNTIME = "runtime"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the article: what it is of, and its change from Docker to the plugin in percent."""

    label: str
    amount: str
    """``cpu`` or ``rss``."""
    of: str
    article: float


FIGURES = (
    Figure("CPU time of the kubelet", "cpu", KUBELET, -30.89),
    Figure("CPU time of the runtime", "cpu", _RUNTIME, -68.13),
    Figure("RSS of the kubelet", "rss", KUBELET, -11.30),
    Figure("RSS of the runtime", "rss", _RUNTIME, -12.78),
)


def table(run: Run, name: str) -> str:
    """Return, in Markdown, the figures as the processes are now and as they were then, and how they were measured."""
    (step,) = [each for each in run.steps if each.scenario == KUBELET]
    sides = [side.name for side in run.seen_in(step).sides]
    others = [side for side in sides if side != DOCKER]
    head = ["", "the article", *(f"{side} against Docker" for side in others), *sides]
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    for then in (False, True):
        for figure in FIGURES:
            values = {side: _values(run, step, figure, side, then=then) for side in sides}
            changes = [_change(values[side], values[DOCKER], step) for side in others]
            label = f"{figure.label}, as then" if then else figure.label
            own = [_absolute(statistics.median(values[side]), figure, step) for side in sides]
            lines.append(f"| {label} | {_signed(figure.article, 2)} % | {' | '.join((*changes, *own))} |")
    return "\n".join([*lines, "", *_source(run, step, name)])


def _values(run: Run, step: Step, figure: Figure, side: str, *, then: bool) -> list[float]:
    """Return a figure of one side, round by round; ``then`` counts cri-dockerd for the kubelet."""
    daemons = [*daemons_of(run, side), HELPERS]
    shim = [DOCKER] if then and DOCKER in daemons else []
    parts = [KUBELET, *shim] if figure.of == KUBELET else [name for name in daemons if name not in shim]

    def amount(side_run: SideRun) -> float:
        amounts = side_run.cpu if figure.amount == "cpu" else side_run.memory
        return fsum(amounts.get(part, 0.0) for part in parts)

    return [amount(one.side_runs[side]) for one in step.rounds]


def _change(values: list[float], docker: list[float], step: Step) -> str:
    """Return the change from Docker in percent with its interval, marked where there is no verdict."""
    side_runs = [side_run for one in step.rounds for side_run in one.side_runs.values()]
    verdict = judge(values, docker, side_runs)
    low, middle, high = (
        _signed((ratio - 1) * 100, 0) for ratio in (verdict.ratio.low, verdict.ratio.estimate, verdict.ratio.high)
    )
    mark = {REFUSED: " ?", SAME: " ="}.get(verdict.word, "")
    return f"{middle} % ({low} to {high}){mark}"


def _signed(value: float, digits: int) -> str:
    rounded = round(value, digits) + 0.0  # without the sign of a zero
    return f"{rounded:+.{digits}f}".replace("-", "−")


def _absolute(value: float, figure: Figure, step: Step) -> str:
    """Return MiB, or the CPU time of a second in milliseconds."""
    if figure.amount == "rss":
        return f"{value:.0f} MiB"
    return f"{value / float(step.options['window_s']) * 1000:.2f} ms/s"


def _source(run: Run, step: Step, name: str) -> list[str]:
    """Return the lines that say when, on what, with which versions and by which command."""
    machine = run.machine
    day = time.strftime("%Y-%m-%d, %H:%M UTC", time.gmtime(run.started_at))
    kubelet, window = step.options["kubelet"], step.options["window_s"]
    where = f"{machine.cores} cores ({machine.cpu}), {machine.kernel}, cgroups {machine.cgroups}, {machine.runc}"
    rounds = f"{len(step.rounds)} rounds of {window:g} s"
    reading = (
        "Medians; ms/s are milliseconds of CPU time in a second. After a change stands its 95 % interval, `=` where no "
        "difference was seen, and `?` where there is no verdict."
    )
    return [
        f"{day}, {where}. Kubelet: {kubelet}, alone, with {step.pods} static pods; {rounds}.",
        reading,
        f"Result: [data/{name}.json](data/{name}.json). Sides: {'; '.join(map(versions, run.sides))}. Command:",
        "",
        "```",
        run.command,
        "```",
        "",
    ]


def with_tables(page: str, data: Path) -> str:
    """Return the page with each table as the results in ``data`` give it."""
    return renewed(page, "four figures", lambda name: table(load(data / f"{name}.json"), name))


def main() -> None:
    """Renew the page."""
    argparse.ArgumentParser(prog="python -m lab.measuring.article_figures", description=__doc__).parse_args()
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), DOCS / "data"), encoding="utf-8")
    sys.stdout.write(f"renewed the four figures of {PAGE}\n")


if __name__ == "__main__":
    main()
