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
    walls = sorted(request.bill.wall for request in requests)
    whole = sum(walls) or 1.0
    return {
        "method": method,
        "count": len(requests),
        "errors": sum(request.code != "OK" for request in requests),
        "p50_ms": ms(percentile(walls, 0.50)),
        "p95_ms": ms(percentile(walls, 0.95)),
        "p99_ms": ms(percentile(walls, 0.99)),
        "max_ms": ms(walls[-1]),
        "hops_share": round(sum(request.bill.hops for request in requests) / whole, 4),
        "helpers_share": round(sum(request.bill.helpers for request in requests) / whole, 4),
        "own_share": round(sum(request.bill.own for request in requests) / whole, 4),
        "hops_per_request": round(sum(request.bill.hop_count for request in requests) / len(requests), 2),
        "extra_p50_ms": ms(median(request.bill.extra for request in requests)),
    }


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that ``share`` of ``ordered`` (not empty) do not exceed, between two of them if need be."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
