"""Compare each side with the floor of the node in the report, and show where a pod's time goes."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

from cri_shim.bench.floor.recipe import ORDERS, WITHOUT_PAUSE
from cri_shim.bench.report import plots
from cri_shim.bench.report.blocks import Block, Items, Paragraph, Picture, Table
from cri_shim.bench.report.floor_rows import PHASES, floor_ms, floor_rows, kinds_of, stages_of
from cri_shim.bench.report.numbers import number, ratio
from cri_shim.bench.scenarios.floor import NAME
from cri_shim.bench.verdicts import noise

if TYPE_CHECKING:
    from cri_shim.bench.floor.recipe import Kind, Order
    from cri_shim.bench.report.floor_rows import FloorRow
    from cri_shim.bench.results.schema import Run, Step

_REST = "the script between them"
# The groups of the picture by the prefix of a stage's name; a stage without a group is the kernel's work.
_GROUPS = {
    "CNI ": "CNI plugins",
    "runc create": "runc create",
    "runc start": "runc start",
    "runc kill": "runc kill",
    "wait for": "runc kill",
    "runc delete": "runc delete",
}
_KERNEL = "namespaces, mounts, files"
_COLOURS = {"CNI plugins": 0, "runc create": 1, "runc start": 2, "runc kill": 3, "runc delete": 4, _KERNEL: 5}
_END = ("runc kill", "wait for", "runc delete", "unmount", "CNI DEL", "remove")
_LESSON = (
    "Where the time of a pod goes without a daemon: medians of the stages, one after the other (serial). What "
    "runc and the CNI plugins take is the same for every runtime that uses them."
)


def sentences(run: Run) -> list[str]:
    """Return for each side how many times the floor it takes; nothing when the floor was not measured."""
    lines = []
    for step in _steps(run):
        noisy = noise.objections([side_run for one in step.rounds for side_run in one.side_runs.values()])
        suffix = "; the machine was not quiet" if noisy else ""
        lines += [f"{_sentence(row)}{suffix}" for row in floor_rows(step, _sides(run.seen_in(step)))]
    return lines


def on_first_page(run: Run) -> list[Block]:
    """Return the sentences as a list, if there are any."""
    said = sentences(run)
    return (
        [Paragraph("Against **the floor**, the same pods made by a script without a daemon:"), Items(tuple(said))]
        if said
        else []
    )


def of_step(run: Run, step: Step) -> list[Block]:
    """Return what the step `floor` has in addition to the tables of every step; nothing for other steps."""
    if step.scenario != NAME:
        return []
    return [
        _sides_table(run, step),
        _script_table(step),
        _picture(step),
        *(_stages(step, each) for each in kinds_of(step)),
    ]


def _sentence(row: FloorRow) -> str:
    return (
        f"{row.side}: a {row.what} takes {ratio(row.times)} times the floor of this node ({number(row.floor_ms)} ms, "
        f"{row.kind}, {row.order})"
    )


def _sides_table(run: Run, step: Step) -> Table:
    """Return each side compared with the floor of its kind of pod, and with the lowest, without a pause process."""
    lines = []
    for row in floor_rows(step, _sides(run)):
        lowest = min(floor_ms(step, WITHOUT_PAUSE, order, row.what) for order in ORDERS)
        cells = (number(row.ms), f"{number(row.floor_ms)} ({row.kind}, {row.order})", ratio(row.times))
        lines.append((row.what, row.side, *cells, f"{row.ms / lowest:.2f}"))
    head = ("what", "side", "ms, p50", "floor, ms", "times the floor", "times a pod without pause")
    return Table(head, tuple(lines), 2)


def _script_table(step: Step) -> Table:
    """Return the script's own times, in both orders."""
    lines = [
        (f"{what}, {kind}", *(number(floor_ms(step, kind, order, what)) for order in ORDERS))
        for what in PHASES
        for kind in kinds_of(step)
    ]
    return Table(("the script, ms, p50", *ORDERS), tuple(lines))


def _stages(step: Step, kind: Kind) -> Table:
    """Return the stages of one kind of pod. Overlapped ones run at the same time, so they do not add up."""
    lines = [
        (stage, *(number(floor_ms(step, kind, order, stage)) for order in ORDERS)) for stage in stages_of(step, kind)
    ]
    whole = fsum(floor_ms(step, kind, "serial", what) for what in PHASES)
    parts = fsum(floor_ms(step, kind, "serial", stage) for stage in stages_of(step, kind))
    return Table((f"stage, {kind}, ms, p50", *ORDERS), (*lines, (_REST, number(max(0.0, whole - parts)), "")))


def _picture(step: Step) -> Picture:
    bars = [(f"{what}, {kind}", _groups(step, kind, what)) for what in PHASES for kind in kinds_of(step)]
    return Picture("floor-stages", plots.stacks(bars, _COLOURS, "ms", "Where a pod's time goes"), _LESSON)


def _groups(step: Step, kind: Kind, what: str) -> dict[str, float]:
    order: Order = "serial"
    groups: dict[str, float] = {}
    for stage in stages_of(step, kind):
        if stage.startswith(_END) == (what == "pod end"):
            group = next((name for start, name in _GROUPS.items() if stage.startswith(start)), _KERNEL)
            groups[group] = groups.get(group, 0.0) + floor_ms(step, kind, order, stage)
    return groups


def _steps(run: Run) -> list[Step]:
    return [step for step in run.steps if step.scenario == NAME and step.rounds]


def _sides(run: Run) -> tuple[str, ...]:
    return tuple(side.name for side in run.sides)
