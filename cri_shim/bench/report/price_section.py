"""Report the price: first in sentences and one table, then step by step with every part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.bench.report import old_bills, prose
from cri_shim.bench.report.blocks import Block, Heading, Items, Paragraph
from cri_shim.bench.report.price_sentences import sentence
from cri_shim.bench.report.price_tables import by_rhythm, rhythm, side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cri_shim.bench.report.price import PriceRow
    from cri_shim.bench.results.schema import Run, Step


def of_run(rows: Sequence[PriceRow]) -> list[Block]:
    """Return what matters most, and the price by RPC and rhythm; nothing when the side's answers carry no bills."""
    if not rows:
        return []
    first, side = rows[0].first, rows[0].side
    return [
        Heading(2, f"What the extra hop of {side} costs"),
        Paragraph(prose.PRICE.format(first=first, side=side)),
        Items(tuple(sentences(row for row in rows if row.metric.main))),
        by_rhythm(rows),
        Paragraph(prose.PRICE_READING),
    ]


def of_step(step: Step, rows: Sequence[PriceRow]) -> list[Block]:
    """Return one sentence and one line of parts for each RPC of the step."""
    own = [row for row in rows if row.step.name == step.name]
    return [Items(tuple(sentences(own))), side_by_side(own)] if own else []


def of_old_bills(run: Run) -> list[Block]:
    """Return bills of the older form under their old names, and why no price is computed from them."""
    table = old_bills.table(run)
    return [Heading(2, "Bills of an older form"), Paragraph(prose.OLD_BILLS), table] if table else []


def sentences(rows: Iterable[PriceRow]) -> list[str]:
    """Return a sentence for each row, which names the surroundings where the same RPC has several rows."""
    kept_rows = list(rows)
    keys = [row.metric.key for row in kept_rows]
    return [
        sentence(row, f"{row.step.pods} idle pods, {rhythm(row.step)}" if keys.count(row.metric.key) > 1 else "")
        for row in kept_rows
    ]
