"""Build the report of one run: the results, how they were measured, and what they do not show."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cri_shim.bench.report import client_section, floor, pictures, price_section, prose, tables
from cri_shim.bench.report.blocks import Block, Code, Heading, Items, Paragraph
from cri_shim.bench.report.numbers import ratio
from cri_shim.bench.report.price import price_rows
from cri_shim.bench.report.rows import WITH_MEMORY, knows_pss, rows_of, rows_of_step
from cri_shim.bench.report.views import other_sides, views
from cri_shim.bench.results.schema import KUBELET
from cri_shim.bench.verdicts import noise, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.report.rows import Row
    from cri_shim.bench.report.views import View
    from cri_shim.bench.results.schema import Run, SideRun, Step


def document(run: Run) -> list[Block]:
    """Return the whole report."""
    first, *others = [side.name for side in run.sides]
    same, *apart = views(run)
    rows = rows_of(same.run)
    ranked = [side.name for side in same.run.sides[1:]]
    blocks: list[Block] = [
        Heading(1, f"{' and '.join(others)} compared with {first}" if others else f"{first}, measured"),
        Paragraph(
            f"The same pods through {_count(len(run.sides))} CRI endpoints on one machine: "
            + "; ".join(f"**{side.name}** is {side.runtime}" for side in run.sides)
            + f". Measured on {_day(run.started_at)}. {first} is 1.00; less is better."
        ),
        *_noise_warning(run),
        *_parity_warning(run),
        *(_ranking(same, rows) if ranked or not apart else []),
        *(block for view in apart for block in _other_work(view)),
        *floor.on_first_page(run),
    ]
    prices = {other: price_rows(run, other) for other in others}
    rows += [row for view in apart for row in rows_of(view.run)]
    for other in others:
        blocks += price_section.of_run(prices[other])
        blocks += _slower(rows, first, other)
    blocks += price_section.of_old_bills(run)
    blocks += [
        Heading(2, "How it was measured"),
        Code(run.command),
        Items((*prose.HOW, *(prose.FINE_RESOURCES if run.schema > 1 else prose.COARSE_RESOURCES))),
        *_setting(run),
        *client_section.of_run(run),
        *_same_work(run),
        Heading(2, "How quiet the machine was"),
        tables.quiet(run),
    ]
    for step in run.steps:
        if not step.rounds:
            continue
        here = run.seen_in(step)
        around = f", {step.pods} idle pods" if step.pods else ""
        around += f", {step.rhythm}" if step.rhythm else ""
        options = ", ".join(f"{name} {_plain(value)}" for name, value in step.options.items())
        blocks += [
            Heading(2, f"{step.title}{around}" if step.scenario != "logs-10" else f"{step.title}, ten containers"),
            Paragraph(f"{step.about} {len(step.rounds)} rounds{f' ({options})' if options else ''}."),
            *_objections(
                [side_run for one in step.rounds for side_run in one.side_runs.values()], prose.STEP_NOT_QUIET
            ),
            *floor.of_step(here, step),
            *(block for other in others for block in price_section.of_step(step, prices[other])),
            *(block for view in (same, *apart) for block in _of_step(view, step)),
            *_left_out(here, step),
        ]
    kubelet = prose.WITH_KUBELET if any(step.scenario == KUBELET for step in run.steps) else prose.NO_KUBELET
    return [*blocks, Heading(2, "What this does not show"), Items((*prose.NOT_SHOWN, *kubelet))]


def _ranking(view: View, rows: Sequence[Row]) -> list[Block]:
    """Return the numbers that matter most of the sides of a view: in a sentence, as ratios, as a table."""
    main = [row for row in rows if row.main]
    return [
        Paragraph(_tally(rows, [side.name for side in view.run.sides[1:]])),
        *pictures.ratios(view.run, main, f"ratios{view.suffix}"),
        tables.first_page(view.run, rows),
    ]


def _of_step(view: View, step: Step) -> list[Block]:
    """Return the plots and tables of one step with the sides of a view; nothing if only the first one takes part."""
    here = view.run.seen_in(step)
    if view.apart and len(here.sides) == 1:
        return []
    rows = rows_of_step(view.run, step)
    names = ", ".join(side.name for side in here.sides[1:])
    return [
        *([Paragraph(prose.APART_IN_STEP.format(names=names, first=here.sides[0].name))] if view.apart else []),
        *pictures.of_step(here, step, rows, view.suffix),
        tables.of_step(here, rows),
        tables.cpu(here, step),
        *([tables.memory(here, step)] if step.scenario in WITH_MEMORY and knows_pss(here, step) else []),
    ]


def _other_work(view: View) -> list[Block]:
    """Return the sides that do other work than the first one: what that is, and their numbers."""
    first = view.run.sides[0].name
    said = tuple(f"**{side}**: {tables.as_text(what)}" for side, what in other_sides(view.run).items())
    return [
        Heading(2, f"Sides that do other work than {first}"),
        Paragraph(prose.APART.format(first=first)),
        Items(said),
        *_ranking(view, rows_of(view.run)),
    ]


def _tally(rows: Sequence[Row], others: Sequence[str]) -> str:
    sentences = []
    for other in others:
        words_of_rows = [row.verdicts[other].word for row in rows if other in row.verdicts]
        counts = [f"{words_of_rows.count(word)} {word}" for word in (verdict.FASTER, verdict.SLOWER)]
        counts += [
            f"{words_of_rows.count(verdict.SAME)} with no difference seen",
            f"{words_of_rows.count(verdict.REFUSED)} without verdict",
        ]
        sentences.append(
            f"**{other}**: of {len(words_of_rows)} numbers {', '.join(counts)} (where less memory counts as faster)."
        )
    return " ".join(sentences) or "There is one side only, so there is nothing to compare."


def _noise_warning(run: Run) -> list[Block]:
    side_runs = [side_run for step in run.steps for one in step.rounds for side_run in one.side_runs.values()]
    return _objections(side_runs, prose.NOT_QUIET)


def _objections(side_runs: Sequence[SideRun], sentence: str) -> list[Block]:
    reasons = noise.objections(side_runs)
    return [Paragraph(sentence.format(reasons="; ".join(reasons)), warns=True)] if reasons else []


def _slower(rows: Sequence[Row], first: str, other: str) -> list[Block]:
    """Return where a side is slower, and where it may be but cannot be judged."""
    slower = [row for row in rows if other in row.verdicts and row.verdicts[other].word == verdict.SLOWER]
    unsure = [
        row
        for row in rows
        if other in row.verdicts
        and row.verdicts[other].word == verdict.REFUSED
        and row.verdicts[other].ratio.estimate > 1
    ]
    blocks: list[Block] = [Heading(2, f"Where {other} takes more than {first}")]
    if slower:
        slower.sort(key=lambda row: -row.verdicts[other].ratio.estimate)
        blocks.append(Items(tuple(_described(row, other) for row in slower)))
    else:
        blocks.append(Paragraph("In nothing that could be judged."))
    if unsure:
        blocks.append(Paragraph("Without a verdict, but measured as more:"))
        blocks.append(Items(tuple(_described(row, other) for row in unsure)))
    return blocks


def _described(row: Row, other: str) -> str:
    return f"{row.title} (`{row.step}`), {row.label}: {ratio(row.verdicts[other].ratio)}"


def _setting(run: Run) -> list[Block]:
    machine = run.machine
    where = (
        f"{machine.cores} cores ({machine.cpu}), {machine.memory_mib} MiB, {machine.distribution}, {machine.kernel}, "
        f"cgroups {machine.cgroups}, {machine.runc}"
    )
    items = [
        where,
        f"the comparison itself: Python {machine.python}, grpcio {machine.grpc}, event loop {machine.event_loop}",
    ]
    for side in run.sides:
        daemons = ", ".join(f"{process.name} ({process.version or side.runtime})" for process in side.processes)
        api = "" if side.api == "v1" else f", CRI {side.api}"
        items.append(f"**{side.name}**: {side.runtime}{api}; daemons: {daemons}; `{side.configuration}`")
    items += run.notes
    if run.resumed_at:
        items.append(f"interrupted and resumed {len(run.resumed_at)} times, on the same day, boot and versions")
    return [Heading(2, "What ran where"), Items(tuple(items))]


def _parity_warning(run: Run) -> list[Block]:
    if run.parity is None or not run.parity.differences:
        return []
    return [Paragraph(prose.NOT_THE_SAME_WORK.format(count=len(run.parity.differences)), warns=True)]


def _same_work(run: Run) -> list[Block]:
    if run.parity is None:
        return []
    facts = ", ".join(f"{kind} ({count})" for kind, count in run.parity.facts.items()) or "none"
    blocks: list[Block] = [
        Heading(2, "The same work"),
        Paragraph(prose.SAME_WORK.format(facts=facts)),
    ]
    if run.parity.tolerated:
        blocks.append(Items(run.parity.tolerated))
    if not run.parity.differences:
        return [*blocks, Paragraph(prose.NO_DIFFERENCE)]
    return [
        *blocks,
        Heading(3, "What differs in the work"),
        Paragraph(prose.DIFFERENCES.format(count=len(run.parity.differences))),
        tables.differences(run),
    ]


def _left_out(run: Run, step: Step) -> list[Block]:
    """Return which sides take no part in a step, and which metrics others have no numbers of, and why."""
    keys = {metric.key for metric in step.metrics}
    blocks: list[Block] = [
        Paragraph(prose.TAKES_NO_PART.format(side=side, reason=reason)) for side, reason in step.left_out.items()
    ]
    for side in run.sides:
        what = [f"`{rpc}` ({reason})" for rpc, reason in side.left_out.items() if rpc in keys]
        if what:
            blocks.append(Paragraph(prose.LEFT_OUT.format(side=side.name, what=", ".join(what))))
    return blocks


def _count(number: int) -> str:
    return {1: "one", 2: "two", 3: "three", 4: "four"}.get(number, str(number))


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d, %H:%M UTC", time.gmtime(moment))


def _plain(value: float | str) -> str:
    """Return a value as it was written: a float from JSON may have been a whole number."""
    return value if isinstance(value, str) else f"{value:g}"
