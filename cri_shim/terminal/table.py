"""Lay out tables of requests: rows under headings, in columns as wide as their widest cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.terminal.bill import price_mark, short_price
from cri_shim.terminal.durations import ms, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

_METHOD_HEADINGS = (
    *("method", "count", "errors", "p50 ms", "p95 ms", "p99 ms", "max ms", "hops"),
    *("transport", "work", "queue", "world", "front p50 ms", "price p50 ms", "±"),
)
_PARTS = ("transport_share", "work_share", "queue_share", "world_share")
METHODS_LEGEND = (
    "transport, work, queue, world: shares of the wall time; queue is the daemon's own, world is waiting for "
    "containerd, programs, processes and registries\n"
    "price: front hop + transport + own work, the median; ± its possible error; ~ marks an estimate or a sum with one "
    "in it, ≥ a sum without a part that is unknown, - an unknown value"
)


def columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table: the first column to the left, all others, which are numbers, to the right."""
    widths = [max(len(row[place]) for row in (headings, *rows)) for place in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (headings, *rows)
    )


def methods_table(methods: Sequence[dict[str, Any]]) -> str:
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
    )


def _front(method: dict[str, Any]) -> str:
    known = method["front_known"]
    return "-" if known == "none" else f"~{ms(method['front_p50_ms'])}"


def outcome(summary: dict[str, Any]) -> str:
    """Return how a request ended: its code, and the reason if it has one."""
    if summary["running"]:
        return "running"
    return f"{summary['code']}: {summary['error']}" if summary["error"] else str(summary["code"])


def request_line(summary: dict[str, Any]) -> str:
    """Return one request in one line, for ``--follow`` and for lists of requests."""
    bill = summary["bill"]
    about = " ".join(f"{name}={str(value)[:24]}" for name, value in summary["subject"].items())
    failed = "" if summary["code"] == "OK" else f"  {outcome(summary)}"
    return (
        f"{summary['id']:>7}  {summary['method']:<26} {ms(bill['wall_ms']):>8} ms  "
        f"{summary['hop_count']:>3} hops  world {ms(bill['world_ms']):>8}  queue {ms(bill['queue_ms']):>8}  "
        f"price {short_price(bill, summary['hop_count']):<14}  {about}{failed}"
    ).rstrip()
