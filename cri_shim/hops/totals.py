"""Totals by method over the requests that the ledger still has."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

from cri_shim.hops.record_json import ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cri_shim.hops.kept import Kept


def totals(requests: Iterable[Kept]) -> list[dict[str, Any]]:
    """Percentiles, shares of the wall time and the median bill, by method, in order of names.

    Shares of hops and helpers are those of unions; where both were under way at once, both count it.
    """
    by_method: defaultdict[str, list[Kept]] = defaultdict(list)
    for request in requests:
        by_method[request.method].append(request)
    return [_totals(method, by_method[method]) for method in sorted(by_method)]


def _totals(method: str, requests: Sequence[Kept]) -> dict[str, Any]:
    bills = [request.bill for request in requests]
    walls = sorted(bill.wall for bill in bills)
    whole = sum(walls) or 1.0
    return {
        "method": method,
        "count": len(requests),
        "errors": sum(request.code != "OK" for request in requests),
        "p50_ms": ms(percentile(walls, 0.50)),
        "p95_ms": ms(percentile(walls, 0.95)),
        "p99_ms": ms(percentile(walls, 0.99)),
        "max_ms": ms(walls[-1]),
        "hops_share": round(sum(bill.hops for bill in bills) / whole, 4),
        "helpers_share": round(sum(bill.helpers for bill in bills) / whole, 4),
        "own_share": round(sum(bill.own for bill in bills) / whole, 4),
        "hops_per_request": round(sum(bill.hop_count for bill in bills) / len(requests), 2),
        "price_p50_ms": ms(median(bill.price for bill in bills)),
        "queue_p50_ms": ms(median(bill.queue for bill in bills)),
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that ``share`` of ``ordered`` (not empty) do not exceed, between two of them if need be."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
