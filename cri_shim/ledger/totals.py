"""Compute totals by method over the requests that the ledger still has."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cri_shim.ledger.record_json import ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cri_shim.ledger.bill import Bill
    from cri_shim.ledger.packed import PackedRequest

_PARTS = ("transport", "work", "queue", "world")
_MEDIANS = ("price", "price_error", "front", "transport", "work", "queue", "world")


class Billed(Struct, frozen=True):
    """What totals need of a request."""

    method: str
    code: str
    bill: Bill


def totals(requests: Iterable[Billed | PackedRequest]) -> Iterator[dict[str, Any]]:
    """Yield percentiles, shares of the wall time and the median price by method, sorted by name.

    The shares of the four parts add up to one. Those of hops and helpers are of unions; time in which both were under
    way counts for both.
    """
    by_method: defaultdict[str, list[Billed | PackedRequest]] = defaultdict(list)
    for request in requests:
        by_method[request.method].append(request)
    for method in sorted(by_method):
        yield _totals(method, by_method[method])


def _totals(method: str, requests: Sequence[Billed | PackedRequest]) -> dict[str, Any]:
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
        **{f"{part}_share": round(sum(getattr(bill, part) for bill in bills) / whole, 4) for part in _PARTS},
        **{f"{name}_p50_ms": ms(median(getattr(bill, name) for bill in bills)) for name in _MEDIANS},
        "split": common_word(bill.split for bill in bills if bill.hop_count),
        "front_known": common_word(bill.front_known for bill in bills),
    }


def common_word(words: Iterable[str]) -> str:
    """Return the word that all have in common; ``mixed`` if they differ, ``none`` if there are none."""
    common = set(words)
    return common.pop() if len(common) == 1 else "mixed" if common else "none"


def word_of_sum(words: Iterable[str]) -> str:
    """Return the word for a sum of figures: ``none`` if one of them lacks its part, because then the sum does, too."""
    every = set(words)
    return "none" if "none" in every else common_word(every)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of ``ordered`` (not empty) do not exceed, interpolated where needed."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
