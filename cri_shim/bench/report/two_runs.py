"""Compare two runs: what has changed between them. Nothing of one is averaged with the other."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from cri_shim.bench.report.blocks import Block, Code, Heading, Items, Paragraph, Table
from cri_shim.bench.report.numbers import number, ratio
from cri_shim.bench.report.prose import TWO_RUNS
from cri_shim.bench.report.rows import rows_of
from cri_shim.bench.verdicts.verdict import REFUSED

if TYPE_CHECKING:
    from cri_shim.bench.report.rows import Row
    from cri_shim.bench.results.schema import Run


def document(before: Run, after: Run) -> list[Block]:
    """Return the report."""
    earlier = {(row.step, row.key): row for row in rows_of(before)}
    later = {(row.step, row.key): row for row in rows_of(after)}
    both = [key for key in earlier if key in later]
    blocks: list[Block] = [
        Heading(1, f"Two runs: {_when(before)} and {_when(after)}"),
        Paragraph(TWO_RUNS),
        Code(f"{before.command}\n{after.command}"),
    ]
    different = _differences(before, after)
    if different:
        blocks += [Paragraph("The runs differ in:", warns=True), Items(tuple(different))]
    if not both:
        return [*blocks, Paragraph("They have no step in common.")]
    first, *others = [side.name for side in before.sides]
    for side in (*others, *([] if others else [first])):
        head = ("what", "step", "unit", f"{side}, p50 before", "after", f"{side} / {first} before", "after", "change")
        lines = tuple(
            _line(earlier[key], later[key], side)
            for key in both
            if side in earlier[key].sides and side in later[key].sides
        )
        blocks += [*([Heading(2, side)] if len(others) > 1 else []), Table(head, lines, 2)]
    alone = [f"`{step}`: {key}" for step, key in {*earlier, *later} if (step, key) not in both]
    if alone:
        blocks += [Paragraph("In one of them only:"), Items(tuple(sorted(alone)))]
    return blocks


def change(before: Row, after: Row, side: str) -> str:
    """Return ``less``, ``more``, ``none seen``, or why nothing can be said."""
    verdicts = (before.verdicts.get(side), after.verdicts.get(side))
    if verdicts[0] is None or verdicts[1] is None:
        return ""
    if REFUSED in {verdicts[0].word, verdicts[1].word}:
        return "not judged"
    if verdicts[1].ratio.high < verdicts[0].ratio.low:
        return "**less**"
    return "**more**" if verdicts[1].ratio.low > verdicts[0].ratio.high else "none seen"


def _line(before: Row, after: Row, side: str) -> tuple[str, ...]:
    medians = [number(row.sides[side].p50, row.unit) if side in row.sides else "" for row in (before, after)]
    ratios = [ratio(row.verdicts[side].ratio) if side in row.verdicts else "" for row in (before, after)]
    return (before.label, before.step, before.unit, *medians, *ratios, change(before, after, side))


def _differences(before: Run, after: Run) -> list[str]:
    rows = []
    for field in dataclasses.fields(before.machine):
        was, now = getattr(before.machine, field.name), getattr(after.machine, field.name)
        if was != now and field.name != "boot_id":
            rows.append(f"{field.name}: {was}, then {now}")
    names = [tuple(side.name for side in run.sides) for run in (before, after)]
    if names[0] != names[1]:
        return [*rows, f"sides: {', '.join(names[0])}, then {', '.join(names[1])}"]
    for was_side, now_side in zip(before.sides, after.sides, strict=True):
        for what, name in (("runtime", "runtime"), ("configuration", "configuration"), ("api", "CRI version")):
            was, now = getattr(was_side, what), getattr(now_side, what)
            if was != now:
                rows.append(f"{name} of {was_side.name}: `{was}`, then `{now}`")
        versions = [[f"{each.name} {each.version}" for each in side.processes] for side in (was_side, now_side)]
        if versions[0] != versions[1]:
            rows.append(f"daemons of {was_side.name}: {', '.join(versions[0])}, then {', '.join(versions[1])}")
    return rows


def _when(run: Run) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(run.started_at))
