"""A request of the ledger as JSON: what the page, the terminal and whoever asks the listener read.

Durations are milliseconds with three decimals, starts are relative to the request's own. docs/ledger.md documents the
shapes; names may be added, never changed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cri_shim.hops.request import UNFINISHED, daemon_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from containerd_client.hops import Hop
    from cri_shim.hops.request import Bill, Request
    from cri_shim.timeline import Stretch


def summary(request: Request) -> dict[str, Any]:
    """A request without its hops, helpers, stages and waits. One in hand has a bill of its wall time so far."""
    bill = request.bill
    running = not request.ended
    return {
        "id": request.id,
        "method": request.method,
        "api": request.api,
        "subject": dict(request.subject),
        "started_at": round(request.started_at, 6),
        "code": request.code,
        "error": request.error,
        "trace_id": "" if request.trace is None or not request.trace.exported else request.trace.trace_id,
        "running": running,
        "bill": bill_json(request, bill, wall=time.perf_counter() - request.started if running else bill.wall),
        "hop_count": len(request.hops) + len(request.in_flight),
        "helper_count": len(request.helpers),
        "bytes_out": sum(hop.bytes_out for hop in request.hops),
        "bytes_in": sum(hop.bytes_in for hop in request.hops),
        "retries": sum(hop.attempts - 1 for hop in request.hops),
    }


def record(request: Request) -> dict[str, Any]:
    """A request with everything in it; hops that are under way end now and have the code UNFINISHED."""
    now = time.perf_counter()
    return summary(request) | {
        "hops": [_hop(request, hop) for hop in sorted(request.hops, key=lambda hop: hop.started)]
        + [
            {
                "method": method,
                "start_ms": ms(started - request.started),
                "duration_ms": ms(now - started),
                "bytes_out": 0,
                "bytes_in": 0,
                "attempts": 1,
                "code": UNFINISHED,
                "daemon_ms": 0.0,
                "transport_ms": 0.0,
                "split": "none",
            }
            for method, started in request.in_flight
        ],
        "helpers": [
            {
                "name": helper.name,
                "command": helper.command,
                "start_ms": ms(helper.started - request.started),
                "duration_ms": ms(helper.duration),
                "exit_code": helper.exit_code,
            }
            for helper in sorted(request.helpers, key=lambda helper: helper.started)
        ],
        "stages": _stretches(request, request.stages),
        "waits": _stretches(request, request.waits),
    }


def bill_json(request: Request, bill: Bill, *, wall: float) -> dict[str, Any]:
    """The bill; ``wait_ms`` is the sum of all waits, whoever was waited for."""
    return {
        "wall_ms": ms(wall),
        "hops_ms": ms(bill.hops),
        "hops_sum_ms": ms(bill.hops_sum),
        "helpers_ms": ms(bill.helpers),
        "helpers_sum_ms": ms(bill.helpers_sum),
        "own_ms": ms(bill.own),
        "awaited_ms": ms(bill.awaited),
        "daemon_ms": ms(bill.daemon),
        "transport_ms": ms(bill.transport),
        "extra_ms": ms(bill.extra),
        "wait_ms": ms(sum(wait.duration for wait in request.waits or ())),
        "split": bill.split,
    }


def ms(seconds: float) -> float:
    """Seconds as milliseconds with three decimals."""
    return round(seconds * 1000, 3)


def _hop(request: Request, hop: Hop) -> dict[str, Any]:
    daemon, split = daemon_share(request, hop, request.null_call)
    known = split != "none"
    return {
        "method": hop.method,
        "start_ms": ms(hop.started - request.started),
        "duration_ms": ms(hop.duration),
        "bytes_out": hop.bytes_out,
        "bytes_in": hop.bytes_in,
        "attempts": hop.attempts,
        "code": hop.code,
        "daemon_ms": ms(daemon) if known else 0.0,
        "transport_ms": ms(hop.duration - daemon) if known else 0.0,
        "split": split,
    }


def _stretches(request: Request, stretches: Sequence[Stretch] | None) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "start_ms": ms(one.started - request.started), "duration_ms": ms(one.duration)}
        for one in sorted(stretches or (), key=lambda one: one.started)
    ]
