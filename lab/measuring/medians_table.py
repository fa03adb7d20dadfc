"""Make the table of all architectures in absolute numbers and in the order of history, for those who learn it."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from cri_shim.bench.report.rows import daemons_of, rows_of_step

if TYPE_CHECKING:
    from cri_shim.bench.report.rows import Row
    from cri_shim.bench.results.schema import Run

NAMES = {
    "cri-dockerd": "dockershim, today cri-dockerd",
    "original": "containerd 1.0 with cri-containerd",
    "plugin": "the CRI plugin, containerd 1.6",
    "plugin-2.1": "the CRI plugin, containerd 2.1",
    "bridge": "cri-shim in front of containerd 1.6",
    "bridge-2.1": "cri-shim in front of containerd 2.1",
    "pinned": "cri-shim, pods without a pause process",
    "pinned-2.1": "the same in front of containerd 2.1",
    "crio-pause": "CRI-O with pause containers",
    "crio": "CRI-O, pods without a pause process",
}
"""In the order of the table."""
_COLUMNS = (
    ("life", "pod start", "pod start"),
    ("life", "pod end", "pod end"),
    ("exec", "ExecSync", "exec"),
    ("batch", "last pod runs", "{count:.0f} pods at once, last runs"),
    ("batch", "cpu machine", "CPU for start and end"),
)
_KILO = 1000


def absolute(row: Row, side: str) -> str:
    """Return a median with its unit; seconds where milliseconds would have more than three digits."""
    value, unit = row.sides[side].p50, row.unit
    if unit == "ms" and value >= _KILO:
        value, unit = value / _KILO, "s"
    return f"{value:#.3g} {unit}" if value < _KILO / 10 else f"{value:.0f} {unit}"


def medians_table(run: Run, name: str) -> str:
    """Return the table in Markdown, with the memory of each side's daemons after the batch, and below it its source."""
    steps = {step.scenario: step for step in run.steps}
    rows = {(scenario, row.key): row for scenario, step in steps.items() for row in rows_of_step(run, step)}
    count = steps["batch"].options["at_once"]
    headings = [heading.format(count=count) for *_, heading in _COLUMNS]
    lines = [
        f"| architecture | side | {' | '.join(headings)} | daemons, RSS afterwards |",
        f"| --- | --- |{' ---: |' * len(headings)} --- |",
    ]
    for side, called in NAMES.items():
        cells = [absolute(rows[scenario, key], side) for scenario, key, _ in _COLUMNS]
        memory = {
            daemon: statistics.median(one.side_runs[side].memory[daemon] for one in steps["batch"].rounds)
            for daemon in daemons_of(run, side)
        }
        held = ", ".join(f"{daemon} {mebibytes:.0f} MiB" for daemon, mebibytes in memory.items())
        lines.append(f"| {called} | `{side}` | {' | '.join(cells)} | {held} |")
    machine = run.machine
    day = time.strftime("%Y-%m-%d", time.gmtime(run.started_at))
    return "\n".join(
        [
            *lines,
            "",
            f"Medians, {day}, {machine.cores} cores ({machine.cpu}), {machine.kernel}, {machine.runc}. From",
            f"[data/{name}.json](data/{name}.json). Command:",
            "",
            "```",
            run.command,
            "```",
            "",
        ]
    )
