"""Build the tables of the price: each RPC's whole time beside a bridge's parts, and the price by RPC and rhythm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.bench.report.blocks import Table
from cri_shim.bench.report.numbers import number
from cri_shim.bench.results.bills import NOT_ACCOUNTED_FOR, NOT_KNOWN
from cri_shim.bench.scenarios import null_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.report.price import PriceRow
    from cri_shim.bench.results.schema import Step

_MARKS = {"measured": "meas.", "estimate": "est.", "spans": "spans", "mixed": "mixed"}
_NO_NUMBER = "not known"
_ONE_AFTER_ANOTHER = "one after the other"


def side_by_side(rows: Sequence[PriceRow]) -> Table:
    """Return a line for each row: the first side's time, the other's, and the parts that add up to the other's."""
    first, side = rows[0].first, rows[0].side
    head = (
        "ms",
        *(first, side, "front hop", "transport", "own work (CPU + waiting)", "own queue", "world"),
        *("not accounted for", "price (quartiles)", f"{first}'s front hop"),
    )
    return Table(
        head,
        tuple(
            (
                row.metric.label,
                number(row.theirs),
                number(row.ours),
                _front(row),
                _transport(row),
                _work(row),
                _exact(row.part("queue")),
                _exact(row.part("world")),
                _exact(row.part(NOT_ACCOUNTED_FOR)),
                _price_and_spread(row),
                _own_front(row),
            )
            for row in rows
        ),
    )


def by_rhythm(rows: Sequence[PriceRow]) -> Table:
    """Return the price table: every RPC, with a line for each number of idle pods and each rhythm.

    Null calls that were made only for other RPCs appear in the column of the front hop and have no line.
    """
    first, side = rows[0].first, rows[0].side
    rows = [row for row in rows if row.metric.key != null_call.RPC or row.step.scenario == "calls"]
    names = list(dict.fromkeys(row.metric.key for row in rows))
    ordered = sorted(rows, key=lambda row: (names.index(row.metric.key), row.step.pods, _period(row.step)))
    head = (
        *("RPC", "idle pods", "rhythm", f"{first}, ms", f"{side}, ms", "ratio", "price, ms"),
        *("front hop", "transport", "own work (CPU + waiting)", f"{first}'s front hop", "the hop cost, ms"),
    )
    return Table(
        head,
        tuple(
            (
                row.metric.label,
                str(row.step.pods),
                rhythm(row.step),
                number(row.theirs),
                number(row.ours),
                f"{row.ours / row.theirs:.2f}" if row.theirs else "",
                _price(row),
                _front(row),
                _transport(row),
                _work(row),
                _own_front(row),
                _NO_NUMBER if row.unknown else number(row.cost.estimate),
            )
            for row in ordered
        ),
    )


def rhythm(step: Step) -> str:
    """Return in words how fast the calls of a step follow each other."""
    if step.scenario == "life":
        return _ONE_AFTER_ANOTHER
    return step.rhythm or "back to back"


def _period(step: Step) -> float:
    value = step.options.get("period_s", 0.0)
    return value if isinstance(value, int | float) else 0.0


def _exact(value: float) -> str:
    return number(value) if round(value, 3) else "0"


def _marked(value: float, error: float, known: str) -> str:
    """Return a part with its source: the word, and the error where it is an estimate."""
    if known == NOT_KNOWN:
        return _NO_NUMBER
    around = f" ± {number(error)}" if round(error, 3) else ""
    return f"{number(value)}{around} {_MARKS.get(known, known)}"


def _front(row: PriceRow) -> str:
    return _marked(row.part("front"), row.part("front_error"), row.front_known)


def _transport(row: PriceRow) -> str:
    if not row.part("hop_count"):
        return "0"
    return _marked(row.part("transport"), row.part("transport_error"), row.split)


def _work(row: PriceRow) -> str:
    return f"{number(row.part('work'))} ({number(row.part('work_cpu'))} + {number(row.part('work_wait'))})"


def _price_and_spread(row: PriceRow) -> str:
    return _NO_NUMBER if row.unknown else f"{_price(row)} ({number(row.spread[0])} to {number(row.spread[1])})"


def _price(row: PriceRow) -> str:
    if row.unknown:
        return _NO_NUMBER
    around = f" ± {number(row.price_error)}" if round(row.price_error, 3) else ""
    return f"{number(row.price)}{around}"


def _own_front(row: PriceRow) -> str:
    return _NO_NUMBER if row.own_front is None else number(row.own_front)
