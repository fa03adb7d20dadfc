"""What the explorer page shows about the daemon and its node, beside the requests themselves."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

import cri_shim
from cri_shim.ledger.record_json import ms
from cri_shim.ledger.totals import common_word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cri_shim.ledger.ledger import Ledger
    from cri_shim.service import Service
    from cri_shim.telemetry.loop_lag import LoopLag

_LAST = 50
"""Number of latest requests whose front hops count."""


def about_node(service: Service, lag: LoopLag) -> Callable[[], Mapping[str, Any]]:
    """Return the function that answers ``/api/node``; a value that is not known (yet) is null or empty."""
    started_at = time.time()

    def described() -> Mapping[str, Any]:
        null_call = service.ledger.transport.curve.at(1.0)
        return {
            "version": cri_shim.__version__,
            "containerd_version": service.readiness.containerd_version,
            "containerd_address": service.config.containerd.address,
            "null_hop_ms": None if null_call is None else ms(null_call.seconds),
            "null_hop_error_ms": None if null_call is None else ms(null_call.error),
            **front_hop(service.ledger),
            "loop_lag_ms": ms(lag.last),
            "started_at": round(started_at, 3),
            "ready": service.readiness.ready,
            "why_not": service.readiness.reason,
            "pods": len(service.sandboxes),
            "containers": len(service.containers),
        }

    return described


def front_hop(ledger: Ledger) -> dict[str, Any]:
    """Return the front hop at the rate at which the daemon is called now: the median of recent requests that have one.

    ``front_ms`` is null as long as no request has one.
    """
    bills = [packed.bill for packed in ledger.newest()[-_LAST:]]
    known = [bill for bill in bills if bill.front_known != "none"]
    return {
        "front_ms": ms(median(bill.front for bill in known)) if known else None,
        "front_error_ms": ms(median(bill.front_error for bill in known)) if known else None,
        "front_known": common_word(bill.front_known for bill in known),
    }
