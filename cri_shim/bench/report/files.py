"""Write the report to the files that the user named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.bench.report import document, floor, svg, two_runs
from cri_shim.bench.report.blocks import Picture
from cri_shim.bench.report.html import to_html
from cri_shim.bench.report.markdown import to_markdown
from cri_shim.bench.report.numbers import number, ratio
from cri_shim.bench.report.plain import to_text
from cri_shim.bench.report.price import price_rows
from cri_shim.bench.report.price_section import sentences
from cri_shim.bench.report.price_tables import side_by_side
from cri_shim.bench.report.prose import TAKES_NO_PART
from cri_shim.bench.report.rows import rows_of
from cri_shim.bench.report.views import other_sides, shown_views

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cri_shim.bench.report.price import PriceRow
    from cri_shim.bench.report.rows import Row
    from cri_shim.bench.results.schema import Run


def write(run: Run, other: Run | None, html: Path | None, markdown: Path | None) -> list[Path]:
    """Write the requested files, in new directories where need be.

    The pictures of ``report.md`` go into the folder ``report``, those of a ``report`` without a suffix into
    ``report-pictures``. Pictures of an earlier report are removed from it.
    """
    blocks = document.document(run) if other is None else two_runs.document(run, other)
    written = []
    if html:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(to_html(blocks), encoding="utf-8")
        written.append(html)
    if markdown:
        folder = markdown.with_suffix("") if markdown.suffix else markdown.with_name(f"{markdown.name}-pictures")
        for picture in folder.glob("*.svg"):
            picture.unlink()
        for path, content in markdown_files(run, other, markdown.name, folder.name).items():
            target = markdown.parent / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content, encoding="utf-8")
            written.append(target)
    return written


def markdown_files(run: Run, other: Run | None, page: str, folder: str) -> dict[str, str]:
    """Return the Markdown page and its pictures: content by path."""
    blocks = document.document(run) if other is None else two_runs.document(run, other)
    pages = {page: to_markdown(blocks, folder)}
    pages |= {f"{folder}/{block.name}.svg": svg.alone(block.content) for block in blocks if isinstance(block, Picture)}
    return pages


def short(run: Run) -> str:
    """Return the summary at the end of a run as plain text: the rows that matter most, then the price of each RPC."""
    lines = []
    for view in shown_views(run):
        if view.apart:
            lines += ["", f"apart, because they do other work than {run.sides[0].name}:"]
            lines += [f"  {side}: {what}" for side, what in other_sides(view.run).items()]
        lines += _short_rows([row for row in rows_of(view.run) if row.main])
    lines += [
        f"{step.name}: {TAKES_NO_PART.format(side=side, reason=reason)}"
        for step in run.steps
        for side, reason in step.left_out.items()
    ]
    lines += floor.sentences(run)
    prices = [_short_price(price_rows(run, side.name)) for side in run.sides[1:]]
    return "".join(f"{line}\n" for line in lines) + "".join(prices)


def _short_rows(rows: Sequence[Row]) -> list[str]:
    """Return a line for each row; of several sides each judgement names its own."""
    width = max((len(row.step) for row in rows), default=0)
    lines = []
    for row in rows:
        medians = "  ".join(f"{side} {number(each.p50, row.unit):>6}" for side, each in row.sides.items())
        named = len(row.verdicts) > 1
        judged = "  ".join(
            f"{f'{side} ' if named else ''}{ratio(each.ratio)} {each.word}" for side, each in row.verdicts.items()
        )
        lines.append(f"{row.step:<{width}} {row.label[:44]:<44} {row.unit:<4} {medians}  {judged}")
    return lines


def _short_price(rows: Sequence[PriceRow]) -> str:
    """Return the parts of every RPC, step by step, each step followed by its sentences."""
    parts = []
    for step in dict.fromkeys(row.step.name for row in rows):
        own = [row for row in rows if row.step.name == step]
        said = "".join(f"{line}\n" for line in sentences(own))
        parts.append(f"\n{step}: {own[0].side} beside {own[0].first}\n{to_text(side_by_side(own))}{said}")
    return "".join(parts)
