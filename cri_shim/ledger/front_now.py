"""The front hop at the rate at which the daemon is called now."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from cri_shim.ledger.record_json import ms
from cri_shim.ledger.totals import common_word

if TYPE_CHECKING:
    from cri_shim.ledger.ledger import Ledger

_LAST = 50
"""Number of latest requests whose front hops count."""


def front_hop(ledger: Ledger) -> dict[str, Any]:
    """Return the median of recent requests that have a front hop.

    ``front_ms`` is null as long as no request has one.
    """
    bills = [packed.bill for packed in ledger.newest()[-_LAST:]]
    known = [bill for bill in bills if bill.front_known != "none"]
    return {
        "front_ms": ms(median(bill.front for bill in known)) if known else None,
        "front_error_ms": ms(median(bill.front_error for bill in known)) if known else None,
        "front_known": common_word(bill.front_known for bill in known),
    }


def null_hop(ledger: Ledger) -> dict[str, Any]:
    """Return the time of a null call after a second of quiet; null until one was measured."""
    null_call = ledger.transport.curve.at(1.0)
    return {
        "null_hop_ms": None if null_call is None else ms(null_call.seconds),
        "null_hop_error_ms": None if null_call is None else ms(null_call.error),
    }
