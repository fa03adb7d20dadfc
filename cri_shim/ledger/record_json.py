"""Convert a request of the ledger to the JSON that the page, the terminal and other clients of the HTTP listener read.

Durations are milliseconds with three decimals; starts are relative to the request's own. docs/ledger.md documents the
shapes. Names may be added, but never change.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cri_shim.ledger.bill_text import whole_parts
from cri_shim.ledger.billing import hop_shares
from cri_shim.ledger.critical_path import with_critical_path
from cri_shim.ledger.purposes import helper_purpose, hop_purpose, stage_purpose, wait_purpose
from cri_shim.ledger.steps import mapped
from cri_shim.ledger.unfinished import UNFINISHED
from cri_shim.timeline import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.ledger.known_names import ObjectNames
    from cri_shim.ledger.request import Request
    from cri_shim.ledger.steps import Steps
    from cri_shim.network.exec import Helper
    from cri_shim.timeline import Stretch


def summary(request: Request) -> dict[str, Any]:
    """Return a request without its hops, helpers, stages and waits; the bill of an active one has only a wall time."""
    running = not request.ended
    return {
        "id": request.id,
        "method": request.method,
        "api": request.api,
        "subject": dict(request.subject),
        **names_json(request.names),
        "started_at": round(request.started_at, 6),
        "clock_ms": None if request.clock is None else ms(request.clock),
        "code": request.code,
        "error": request.error,
        "trace_id": "" if request.trace is None or not request.trace.exported else request.trace.trace_id,
        "running": running,
        "bill": bill_json(request, wall_so_far=time.perf_counter() - request.started if running else None),
        "hop_count": len(request.hops) + len(request.in_flight),
        "helper_count": len(request.helpers) + len(request.running or ()),
        "bytes_out": sum(hop.bytes_out for hop in request.hops),
        "bytes_in": sum(hop.bytes_in for hop in request.hops),
        "retries": sum(hop.attempts - 1 for hop in request.hops),
        "unfinished_hop_count": sum(hop.code == UNFINISHED for hop in request.hops) + len(request.in_flight),
    }


def record(request: Request) -> Steps[dict[str, Any]]:
    """Return a request with everything in it; hops that are under way end now and have the code UNFINISHED."""
    now = time.perf_counter()
    # Everything is collected before the first step, because an active request goes on between two of them.
    beside = summary(request)
    numbers = sorted(range(len(request.hops)), key=lambda number: request.hops[number].started)
    in_flight = [_hop_in_flight(request, method, started, now) for method, started in request.in_flight]
    ran = sorted([*request.helpers, *request.running_until(now)], key=lambda helper: helper.started)
    staged, waited = _in_order(request.stages), _in_order(request.waits)
    hops = yield from mapped(lambda number: _hop(request, number), numbers)
    helpers = yield from mapped(lambda helper: _helper(request, helper), ran)
    stages = yield from mapped(lambda one: _stretch(request, one) | {"purpose": stage_purpose(one.name)}, staged)
    waits = yield from mapped(lambda one: _wait(request, one), waited)
    pieces = {"hops": hops + in_flight, "helpers": helpers, "stages": stages, "waits": waits}
    return (yield from with_critical_path(beside | pieces))


def bill_json(request: Request, *, wall_so_far: float | None = None) -> dict[str, Any]:
    """Return the bill; ``wait_ms`` is the sum of all waits, for our own limits and for the world.

    The bill of an active request has only its ``wall_so_far``, because the parts are computed when it has ended.
    """
    bill = request.bill
    parts = {f"{name}_ms": round(value / 1000, 3) for name, value in whole_parts(bill).items()}
    if wall_so_far is not None:
        parts["wall_ms"] = ms(wall_so_far)
    return {
        **parts,
        "front_error_ms": ms(bill.front_error),
        "front_known": bill.front_known,
        "hops_ms": ms(bill.hops),
        "hops_sum_ms": ms(bill.hops_sum),
        "helpers_ms": ms(bill.helpers),
        "helpers_sum_ms": ms(bill.helpers_sum),
        "own_ms": ms(bill.own),
        "daemon_sum_ms": ms(bill.daemon_sum),
        "transport_sum_ms": ms(bill.transport_sum),
        "transport_error_ms": ms(bill.transport_error),
        "price_error_ms": ms(bill.price_error),
        "wait_ms": ms(sum(wait.duration for wait in request.waits or ())),
        "split": bill.split,
    }


def ms(seconds: float) -> float:
    """Return seconds as milliseconds with three decimals."""
    return round(seconds * 1000, 3)


def names_json(names: ObjectNames | None) -> dict[str, Any]:
    """Return ``pod`` and ``container``; null if the request is not about one, or about one that is not known."""
    if names is None:
        return {"pod": None, "container": None}
    pod = {"id": names.pod_id, "namespace": names.namespace, "name": names.pod}
    if not (names.container_id or names.container):
        return {"pod": pod, "container": None}
    return {"pod": pod, "container": {"id": names.container_id, "name": names.container, "image": names.image}}


def _hop(request: Request, number: int) -> dict[str, Any]:
    hop, shares = request.hops[number], hop_shares(request, number)
    known = shares.split != "none"
    return {
        "method": hop.method,
        "start_ms": ms(hop.started - request.started),
        "duration_ms": ms(hop.duration),
        "bytes_out": hop.bytes_out,
        "bytes_in": hop.bytes_in,
        "bytes_known": hop.code != UNFINISHED,
        "attempts": hop.attempts,
        "code": hop.code,
        "daemon_ms": ms(shares.daemon) if known else 0.0,
        "transport_ms": ms(shares.transport),
        "transport_error_ms": ms(shares.error),
        "split": shares.split,
        "purpose": hop_purpose(request.method, hop.method),
    }


def _hop_in_flight(request: Request, method: str, started: float, now: float) -> dict[str, Any]:
    return {
        "method": method,
        "start_ms": ms(started - request.started),
        "duration_ms": ms(now - started),
        "bytes_out": 0,
        "bytes_in": 0,
        "bytes_known": False,
        "attempts": 1,
        "code": UNFINISHED,
        "daemon_ms": 0.0,
        "transport_ms": 0.0,
        "transport_error_ms": 0.0,
        "split": "none",
        "purpose": hop_purpose(request.method, method),
    }


def _helper(request: Request, helper: Helper) -> dict[str, Any]:
    return {
        "name": helper.name,
        "command": helper.command,
        "start_ms": ms(helper.started - request.started),
        "duration_ms": ms(helper.duration),
        "exit_code": helper.exit_code,
        "purpose": helper_purpose(helper.name, helper.command),
    }


def _wait(request: Request, wait: Stretch) -> dict[str, Any]:
    part = "world" if wait.name in OUTSIDE else "queue"
    return _stretch(request, wait) | {"part": part, "purpose": wait_purpose(wait.name)}


def _stretch(request: Request, one: Stretch) -> dict[str, Any]:
    return {"name": one.name, "start_ms": ms(one.started - request.started), "duration_ms": ms(one.duration)}


def _in_order(stretches: Sequence[Stretch] | None) -> list[Stretch]:
    return sorted(stretches or (), key=lambda one: one.started)
