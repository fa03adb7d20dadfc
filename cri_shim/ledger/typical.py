"""Compute what a request of a method usually looks like: the medians of its last requests, hop by hop."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

from msgspec import structs

from cri_shim.ledger.bill import Bill
from cri_shim.ledger.record_json import ms
from cri_shim.ledger.totals import common_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.ledger.request import Request

_LEAST = 2
_TIMES = tuple(field.name for field in structs.fields(Bill) if field.type is float)


def typical(requests: Sequence[Request]) -> dict[str, Any] | None:
    """Return the typical shape of ``requests``, all of one method, without those that failed; None for fewer than two.

    A hop is identified by its method and by being the first, second, … with that method in its request. ``share`` is
    the fraction of the requests that have the hop. Times are medians over those.
    """
    good = [request for request in requests if request.code == "OK"]
    if len(good) < _LEAST:
        return None
    bill: dict[str, float | str] = {
        f"{name}_ms": ms(median(getattr(request.bill, name) for request in good))
        for name in (*_TIMES, "work_wait", "price", "price_error")
    }
    bill["split"] = common_word(request.bill.split for request in good if request.hops)
    bill["front_known"] = common_word(request.bill.front_known for request in good)
    hops: defaultdict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    helpers: defaultdict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for request in good:
        seen: Counter[str] = Counter()
        for hop in sorted(request.hops, key=lambda hop: hop.started):
            hops[hop.method, seen[hop.method]].append((hop.started - request.started, hop.duration))
            seen[hop.method] += 1
        for helper in request.helpers:
            helpers[helper.name, helper.command].append((helper.started - request.started, helper.duration))
    return {
        "count": len(good),
        "wall_ms": bill["wall_ms"],
        "bill": bill,
        "hops": _in_order(
            {"method": method, "nth": nth, **_middle(times, len(good))} for (method, nth), times in hops.items()
        ),
        "helpers": _in_order(
            {"name": name, "command": command, **_middle(times, len(good))}
            for (name, command), times in helpers.items()
        ),
    }


def _middle(times: Sequence[tuple[float, float]], of: int) -> dict[str, float]:
    return {
        "share": round(min(1.0, len(times) / of), 3),
        "start_ms": ms(median(start for start, _ in times)),
        "duration_ms": ms(median(duration for _, duration in times)),
    }


def _in_order(rows: Any) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: float(row["start_ms"]))
