"""Rows under headings, in columns as wide as their widest cell."""

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
    "price: front hop + transport + own work, the median; ± how far it may be off; ~ marks what is an estimate or has "
    "one in it, ≥ what is more by a part that is not known, - what is not known"
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
    """The answer of ``/api/methods``, the most expensive method first: count times median."""
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
    """How a request ended: its code, and why, if it says so."""
    if summary["running"]:
        return "running"
    return f"{summary['code']}: {summary['error']}" if summary["error"] else str(summary["code"])


def request_line(summary: dict[str, Any]) -> str:
    """One request in one line, for ``--follow`` and for lists of requests."""
    bill = summary["bill"]
    about = " ".join(f"{name}={str(value)[:24]}" for name, value in summary["subject"].items())
    failed = "" if summary["code"] == "OK" else f"  {outcome(summary)}"
    return (
        f"{summary['id']:>7}  {summary['method']:<26} {ms(bill['wall_ms']):>8} ms  "
        f"{summary['hop_count']:>3} hops  world {ms(bill['world_ms']):>8}  queue {ms(bill['queue_ms']):>8}  "
        f"price {short_price(bill, summary['hop_count']):<14}  {about}{failed}"
    ).rstrip()
