"""Lay out requests: methods as a table, single requests in a line or two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.terminal.bill import price_mark, short_price
from cri_shim.terminal.durations import ms, percent
from cri_shim.terminal.fit import columns, folded
from cri_shim.terminal.names import short_subject

if TYPE_CHECKING:
    from collections.abc import Sequence

_METHOD_HEADINGS = (
    *("method", "count", "errors", "p50 ms", "p95 ms", "p99 ms", "max ms", "hops"),
    *("transport", "work", "queue", "world", "front p50 ms", "price p50 ms", "±"),
)
_PARTS = ("transport_share", "work_share", "queue_share", "world_share")
_BELOW = " " * 9
METHODS_LEGEND = (
    "transport, work, queue, world: shares of the wall time; queue is the daemon's own, world is waiting for "
    "containerd, programs, processes and registries\n"
    "price: front hop + transport + own work, the median; ± its possible error; ~ marks an estimate or a sum with one "
    "in it, ≥ a sum without a part that is unknown, - an unknown value"
)


def methods_table(methods: Sequence[dict[str, Any]], width: int = 0) -> str:
    """Return the answer of ``/api/methods`` as a table, the most expensive method (count times median) first."""
    ordered = sorted(methods, key=lambda method: -float(method["count"]) * float(method["p50_ms"]))
    return columns(
        _METHOD_HEADINGS,
        [
            (
                str(method["method"]),
                str(method["count"]),
                str(method["errors"]),
                *(ms(method[name]) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")),
                f"{method['hops_per_request']:.1f}",
                *(percent(method[name]) for name in _PARTS),
                _front(method),
                f"{price_mark(method, method['hops_per_request'])}{ms(method['price_p50_ms'])}",
                ms(method["price_error_p50_ms"]),
            )
            for method in ordered
        ],
        width,
    )


def _front(method: dict[str, Any]) -> str:
    known = method["front_known"]
    return "-" if known == "none" else f"~{ms(method['front_p50_ms'])}"


def outcome(summary: dict[str, Any]) -> str:
    """Return how a request ended: its code, and the reason if it has one."""
    if summary["running"]:
        return "running"
    return f"{summary['code']}: {summary['error']}" if summary["error"] else str(summary["code"])


def request_line(summary: dict[str, Any], width: int = 0) -> str:
    """Return one request in one line, for ``--follow`` and for lists of requests.

    If that is longer than ``width`` (0: no limit), what is beyond the price stands below, indented.
    """
    bill = summary["bill"]
    about = short_subject(summary)
    failed = "" if summary["code"] == "OK" else f"  {outcome(summary)}"
    head = f"{summary['id']:>7}  {summary['method']:<25} {ms(bill['wall_ms']):>8} ms  {summary['hop_count']:>3} hops"
    where = f"world {ms(bill['world_ms']):>8}  queue {ms(bill['queue_ms']):>8}"
    price = f"price {short_price(bill, summary['hop_count']):<14}"
    line = f"{head}  {where}  {price}  {about}{failed}".rstrip()
    if not width or len(line) <= width:
        return line
    first = folded(f"{head}  {price}".rstrip(), width, _BELOW)
    below = f"{_BELOW}world {ms(bill['world_ms'])}  queue {ms(bill['queue_ms'])}  {about}{failed}".rstrip()
    return f"{first}\n{folded(below, width, '')}"
