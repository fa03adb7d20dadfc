"""Put the price of a run into a page that was written by hand: tables and sentences, each between two comments.

A page has ``<!-- price table NAME: begin -->`` and ``<!-- price table NAME: end -->`` where the table of ``NAME.json``
belongs, and likewise ``price sentences``. Only what stands between them is replaced, so that a page can show the
figures of several runs, and a test can compare each with its file.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from cri_shim.bench.report.blocks import Block, Items, Paragraph
from cri_shim.bench.report.markdown import to_markdown
from cri_shim.bench.report.price import PriceRow, price_rows
from cri_shim.bench.report.price_section import sentences
from cri_shim.bench.report.price_tables import by_rhythm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.results.schema import Run

_MARK: Final = re.compile(
    r"^<!-- price (?P<kind>table|sentences) (?P<name>[^\n]+?): begin -->\n"
    r"(?P<content>.*?)"
    r"^<!-- price (?P=kind) (?P=name): end -->$",
    re.DOTALL | re.MULTILINE,
)
_BEGIN_OR_END: Final = re.compile(r"^<!-- price (table|sentences) (.+?): (begin|end) -->$", re.MULTILINE)


class PricePageError(Exception):
    """A page without a place for the price, or a run that has no price; the text says what to do."""


def names(page: str) -> list[str]:
    """Return the names of the runs whose price a page shows."""
    return list(dict.fromkeys(match["name"] for match in _MARK.finditer(page)))


def with_price(page: str, run: Run, name: str) -> str:
    """Return the page with the price of the run ``name``; an empty page becomes one with only the table.

    Raises :class:`PricePageError`.
    """
    sides = [rows for side in run.sides[1:] if (rows := price_rows(run, side.name))]
    if not sides:
        raise PricePageError(
            "none of its answers carries a bill with a front hop, so it has no price to show; measure again with a "
            "bridge that writes such bills"
        )
    if wrong := _without_its_other_half(page):
        raise PricePageError(
            f"the line {wrong} in the page is not one of a pair of begin and end with no other such line between them; "
            "what belongs to the run cannot be told from what was written by hand, so nothing was changed"
        )
    page = page or f"{_mark('table', name, 'begin')}\n{_mark('table', name, 'end')}\n"
    if name not in names(page):
        raise PricePageError(
            f"the page has no place for it: add the lines {_mark('table', name, 'begin')} and "
            f"{_mark('table', name, 'end')}, and what is between them is replaced"
        )

    def made(match: re.Match[str]) -> str:
        if match["name"] != name:
            return match[0]
        blocks = _table(run, name, sides) if match["kind"] == "table" else _sentences(sides)
        begin, end = (_mark(match["kind"], name, where) for where in ("begin", "end"))
        return f"{begin}\n\n{to_markdown(blocks, '')}\n{end}"

    return _MARK.sub(made, page)


def _without_its_other_half(page: str) -> str:
    """Return the first mark that is not part of a begin and its end; empty when all are."""
    open_ = None
    for match in _BEGIN_OR_END.finditer(page):
        kind, name, where = match.groups()
        if (open_ is None) != (where == "begin") or open_ not in {None, (kind, name)}:
            return match[0]
        open_ = (kind, name) if where == "begin" else None
    return _mark(*open_, "begin") if open_ else ""


def _mark(kind: str, name: str, where: str) -> str:
    return f"<!-- price {kind} {name}: {where} -->"


def _table(run: Run, name: str, sides: Sequence[Sequence[PriceRow]]) -> list[Block]:
    machine = run.machine
    day = time.strftime("%Y-%m-%d", time.gmtime(run.started_at))
    runtimes = "; ".join(f"{side.name}: {side.runtime}" for side in run.sides)
    source = (
        f"Measured on {day} on {machine.cores} cores ({machine.cpu}), {machine.kernel}; {runtimes}. From "
        f"`{name}.json`, by `{run.command}`."
    )
    return [*(by_rhythm(rows) for rows in sides), Paragraph(source)]


def _sentences(sides: Sequence[Sequence[PriceRow]]) -> list[Block]:
    return [Items(tuple(sentences(row for rows in sides for row in rows if row.metric.main)))]
