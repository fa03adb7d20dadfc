"""Write the bill of a request into the trailing metadata of its answer, and read it there.

It is one line of ``name=value`` pairs, separated by single blanks. Times are whole microseconds. Clients must skip
names that they do not know, so that the line can grow. A client that wants each hop as well asks for it in its
metadata. docs/ledger.md documents both for clients in other languages.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.ledger.bill import Bill
    from cri_shim.ledger.request import Request

KEY = "cri-shim-bill"
"""The metadata key of the bill."""
HOPS_KEY = "cri-shim-hops"
"""The metadata key of the hops; a client requests them by sending the key with any value."""

_MOST_HOPS = 64  # metadata has a limit of a few kilobytes in most clients
_LONGEST_NAME = 64
_MOST_BYTES = 3072  # which leaves room for a status message of 4 KiB


def wants_hops(metadata: Iterable[tuple[str, str | bytes]]) -> bool:
    """Return whether the client asked for each hop."""
    return any(key == HOPS_KEY for key, _ in metadata)


def trailer(request: Request, *, hops: bool = False) -> tuple[tuple[str, str], ...]:
    """Return the trailing metadata of an ended request; empty when the ledger is off."""
    if not request.id:
        return ()
    bill = (KEY, bill_text(request))
    return (bill, (HOPS_KEY, hops_text(request))) if hops else (bill,)


def hops_text(request: Request) -> str:
    """Return the first hops and helpers by start: ``Tasks/Create@1203+33120`` is start and duration in microseconds."""
    timed = [(hop.started, hop.duration, hop.method.rsplit(".", 1)[-1]) for hop in request.hops]
    timed += [(helper.started, helper.duration, f"{helper.name}:{helper.command}") for helper in request.helpers]
    first = sorted(timed)[:_MOST_HOPS]
    parts = [
        f"{_printable(name)}@{_us(started - request.started)}+{_us(duration)}" for started, duration, name in first
    ]
    size = list(accumulate(len(part) + 1 for part in parts))
    return " ".join(parts[: bisect_right(size, _MOST_BYTES)])


def _printable(name: str) -> str:
    """Return a name as one word of a header, because the file name of a CNI plugin may hold any characters."""
    if name.isascii() and name.isprintable() and " " not in name and len(name) <= _LONGEST_NAME:
        return name
    return "".join(char if "!" <= char <= "~" else "?" for char in name[:_LONGEST_NAME])


def bill_text(request: Request) -> str:
    """Return the bill of an ended request: ``id=7 wall=104912 transport=2300 … split=estimate``."""
    bill = request.bill
    front = f"front_error={_us(bill.front_error)} front_known={bill.front_known}"
    if not request.hops and not request.helpers and not request.waits:
        # Most requests are lists, and this text is most of the ledger's cost for them.
        wall, way = _us(bill.wall), _us(bill.front)
        cpu = min(wall, _us(bill.work_cpu))
        return (
            f"id={request.id} wall={wall} transport=0 work={wall} work_cpu={cpu} work_wait={wall - cpu} queue=0 "
            f"world=0 front={way} price={way + wall} {front}"
        )
    parts = " ".join(f"{name}={value}" for name, value in whole_parts(bill).items())
    text = f"id={request.id} {parts} {front}"
    if not bill.hop_count and not bill.helper_count:
        return text
    return (
        f"{text} hops={_us(bill.hops)} hops_sum={_us(bill.hops_sum)} hop_count={bill.hop_count} "
        f"helpers={_us(bill.helpers)} helpers_sum={_us(bill.helpers_sum)} helper_count={bill.helper_count} "
        f"own={_us(bill.own)} daemon_sum={_us(bill.daemon_sum)} transport_sum={_us(bill.transport_sum)} "
        f"transport_error={_us(bill.transport_error)} split={bill.split}"
    )


def whole_parts(bill: Bill) -> dict[str, int]:
    """Return wall time, its parts, the front hop and the price in whole microseconds, rounded so that they add up."""
    wall, transport, queue, world = (_us(part) for part in (bill.wall, bill.transport, bill.queue, bill.world))
    work = max(0, wall - transport - queue - world)
    work_cpu = min(work, _us(bill.work_cpu))
    front = _us(bill.front)
    return {
        "wall": wall,
        "transport": transport,
        "work": work,
        "work_cpu": work_cpu,
        "work_wait": work - work_cpu,
        "queue": queue,
        "world": world,
        "front": front,
        "price": front + transport + work,
    }


def parse_bill(text: str) -> dict[str, float | str]:
    """Read what :func:`bill_text` wrote: microseconds and counts as numbers, the rest as text."""
    values: dict[str, float | str] = {}
    for pair in text.split():
        name, equals, value = pair.partition("=")
        if equals:
            try:
                values[name] = float(value)
            except ValueError:
                values[name] = value
    return values


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
