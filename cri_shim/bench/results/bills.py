"""Keep the bills that come with answers, one for every request, because a mean would hide the spread."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cri_shim.bench.results.schema import Bills
from cri_shim.ledger.bill_text import parse_bill

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_ACCOUNTED_FOR = "not_accounted_for"
"""A part besides the bill's own: what the client saw, less the front hop and the daemon's wall time."""
NOT_KNOWN = "none"
"""The bill's word for an unknown split or front hop."""

_TIMES = (
    *(
        "front",
        "front_error",
        "wall",
        "transport",
        "transport_error",
        "work",
        "work_cpu",
        "work_wait",
        "queue",
        "world",
    ),
    *("hops", "hops_sum", "helpers", "helpers_sum", "own", "daemon_sum", "transport_sum", "price"),
)
_COUNTS = ("hop_count", "helper_count")
_SPLITS = {"spans", "estimate", "mixed"}
_FRONT_KNOWN = {"measured", "estimate"}
_LARGEST = 1e12
"""The limit of microseconds and counts: eleven days, where a call may take a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Bill:
    """One answer's bill: milliseconds and counts by part, and the sources of transport and the front hop."""

    parts: dict[str, float]
    split: str
    front_known: str


def read_bill(text: str, client_ms: float) -> Bill | None:
    """Read the bill of an answer that took the client ``client_ms`` milliseconds.

    Return None when there is none, or when it comes from a daemon so old that its bill still has ``extra``, because
    such a bill means something else by transport.
    """
    sent = parse_bill(text)
    if "wall" not in sent or "extra" in sent:
        return None
    parts = {name: value / 1000 for name in _TIMES if (value := _number(sent.get(name)))}
    parts |= {name: value for name in _COUNTS if (value := _number(sent.get(name)))}
    parts[NOT_ACCOUNTED_FOR] = client_ms - parts.get("front", 0.0) - parts.get("wall", 0.0)
    split, front_known = str(sent.get("split")), str(sent.get("front_known"))
    return Bill(
        parts, split if split in _SPLITS else NOT_KNOWN, front_known if front_known in _FRONT_KNOWN else NOT_KNOWN
    )


def _number(value: float | str | None) -> float:
    """Return a part's number; 0 if it is missing, and for what no endpoint should send: words, and impossible times."""
    return value if isinstance(value, float) and 0 <= value <= _LARGEST else 0.0


def itemize(bills: Sequence[Bill]) -> Bills:
    """Put the bills of one RPC together, part by part."""
    names = [name for name in (*_TIMES, *_COUNTS, NOT_ACCOUNTED_FOR) if any(bill.parts.get(name) for bill in bills)]
    return Bills(
        count=len(bills),
        parts={name: [round(bill.parts.get(name, 0.0), 3) for bill in bills] for name in names},
        split=dict(Counter(bill.split for bill in bills if bill.parts.get("hop_count"))),
        front_known=dict(Counter(bill.front_known for bill in bills)),
    )
