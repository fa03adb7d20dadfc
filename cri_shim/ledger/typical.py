"""Compute what a request of a method usually looks like: the medians of its last requests, hop by hop."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import structs

from cri_shim.ledger.bill import Bill
from cri_shim.ledger.packed import unpacked
from cri_shim.ledger.record_json import ms
from cri_shim.ledger.steps import mapped
from cri_shim.ledger.totals import common_word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from containerd_client.hops import Hop
    from cri_shim.ledger.packed import PackedRequest
    from cri_shim.ledger.request import Request
    from cri_shim.ledger.steps import Steps
    from cri_shim.network.exec import Helper

_LEAST = 2
_TIMES = tuple(field.name for field in structs.fields(Bill) if field.type is float)

_Times: TypeAlias = tuple["array[float]", "array[float]"]
"""Starts in their requests, and durations; as arrays, because the garbage collector would visit 200 000 tuples."""


def typical(requests: Iterable[PackedRequest | Request]) -> Steps[dict[str, Any] | None]:
    """Return the typical shape of ``requests``, all of one method, without those that failed; None for fewer than two.

    A hop is identified by its method and by being the first, second, … with that method in its request. ``share`` is
    the fraction of the requests that have the hop. Times are medians over those.
    """
    good = [request for request in requests if request.code == "OK"]
    if len(good) < _LEAST:
        return None
    bills: list[Bill] = []
    splits: set[str] = set()
    hops: defaultdict[tuple[str, int], _Times] = defaultdict(_no_times)
    helpers: defaultdict[tuple[str, str], _Times] = defaultdict(_no_times)
    for one in good:
        request = unpacked(one)  # one at a time, because a hundred with all their hops can take tens of megabytes
        yield
        bills.append(request.bill)
        if request.hops:
            splits.add(request.bill.split)
        yield from _note_hops(request, hops)
        for helper in request.helpers:
            _note(helpers[helper.name, helper.command], request, helper)
    names = (*_TIMES, "work_wait", "price", "price_error")
    medians = yield from mapped(lambda name: ms(median(getattr(bill, name) for bill in bills)), names)
    bill: dict[str, float | str] = {f"{name}_ms": value for name, value in zip(names, medians, strict=True)}
    bill["split"] = common_word(splits)
    bill["front_known"] = common_word(one.front_known for one in bills)
    many = len(good)
    hop_rows = yield from mapped(
        lambda item: {"method": item[0][0], "nth": item[0][1], **_middle(item[1], many)}, hops.items()
    )
    helper_rows = yield from mapped(
        lambda item: {"name": item[0][0], "command": item[0][1], **_middle(item[1], many)}, helpers.items()
    )
    return {
        "count": many,
        "wall_ms": bill["wall_ms"],
        "bill": bill,
        "hops": _in_order(hop_rows),
        "helpers": _in_order(helper_rows),
    }


def _no_times() -> _Times:
    return array("d"), array("d")


def _note(times: _Times, request: Request, piece: Hop | Helper) -> None:
    starts, durations = times
    starts.append(piece.started - request.started)
    durations.append(piece.duration)


def _note_hops(request: Request, hops: defaultdict[tuple[str, int], _Times]) -> Steps[list[None]]:
    seen: Counter[str] = Counter()

    def note(hop: Hop) -> None:
        _note(hops[hop.method, seen[hop.method]], request, hop)
        seen[hop.method] += 1

    return mapped(note, sorted(request.hops, key=lambda hop: hop.started))


def _middle(times: _Times, of: int) -> dict[str, float]:
    starts, durations = times
    return {
        "share": round(min(1.0, len(starts) / of), 3),
        "start_ms": ms(median(starts)),
        "duration_ms": ms(median(durations)),
    }


def _in_order(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: float(row["start_ms"]))
