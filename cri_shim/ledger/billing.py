"""Compute the bill of a request from its hops, helpers and waits.

:mod:`cri_shim.ledger.bill` defines the parts of a bill; this module computes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from cri_shim.ledger.bill import Bill
from cri_shim.ledger.intervals import clipped, union_length
from cri_shim.ledger.trace_context import span_of
from cri_shim.timeline import OUTSIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from containerd_client.hops import Hop
    from cri_shim.ledger.bill import Split
    from cri_shim.ledger.request import Request
    from cri_shim.ledger.transport.transport_estimate import Charge

Interval: TypeAlias = tuple[float, float]


class HopShares(Struct, frozen=True):
    """One hop, in seconds: containerd's work on it, the transport, how far both may be off, and the source of this."""

    daemon: float
    transport: float
    error: float
    split: Split


def hop_shares(request: Request, number: int) -> HopShares:
    """Return the shares of the hop with that number in ``request.hops``.

    A hop about which nothing is known counts as containerd's in full, so that the bill never charges for what was not
    measured.
    """
    hop = request.hops[number]
    late = _late(request, hop)
    longest = hop.duration - late
    if request.server_spans is not None and hop.trace:
        reported = request.server_spans.get(span_of(hop.trace))
        if reported is not None:
            daemon = min(reported, longest)
            return HopShares(daemon, hop.duration - daemon, 0.0, "spans")
    charge = request.charges[number] if number < len(request.charges) else None
    if charge is None:
        return HopShares(longest, late, 0.0, "none")
    transport = min(charge.seconds, longest)
    # The error is limited by the hop itself: transport is at least nothing and at most the whole hop.
    low, high = max(0.0, charge.seconds - charge.error), min(longest, charge.seconds + charge.error)
    error = max(transport - low, high - transport, 0.0)
    return HopShares(longest - transport, late + transport, error, "estimate")


def close_request(
    request: Request, code: str, error: str, charge: Callable[[float], Charge | None] | None = None
) -> Bill:
    """End ``request`` and compute its bill; ``charge`` estimates a hop still in flight from the quiet before it."""
    wall = request.end(code, error, charge)
    request.bill = make_bill(request, wall)
    return request.bill


def rebill(request: Request) -> Bill:
    """Compute the bill again after containerd reported its share of hops; the wall time stays as it was."""
    request.bill = make_bill(request, request.bill.wall)
    return request.bill


def make_bill(request: Request, wall: float) -> Bill:
    """Compute the bill of an ended request."""
    exposed_cpu = request.exposed_cpu
    way_in, way_out, front_known = request.way_in, request.way_out, request.front_known
    front = 0.0 if way_in is None or way_out is None else way_in.seconds + way_out.seconds
    front_error = 0.0 if way_in is None or way_out is None else way_in.error + way_out.error
    if not request.hops and not request.helpers and not request.waits:
        return Bill(
            wall,
            work=wall,
            work_cpu=min(wall, exposed_cpu),
            own=wall,
            front=front,
            front_error=front_error,
            front_known=front_known,
        )
    begun, ended = request.started, request.started + wall
    shares = [hop_shares(request, number) for number in range(len(request.hops))]
    hops = [(hop.started, hop.started + hop.duration) for hop in request.hops]
    sent = [(hop.started + _late(request, hop), hop.started + hop.duration) for hop in request.hops]
    helpers = [(helper.started, helper.started + helper.duration) for helper in request.helpers]
    outside, queue = _waits(request)
    world = clipped([*helpers, *outside, *_at_work(sent, shares)], begun, ended)
    on_the_way = clipped(sent, begun, ended)
    to_world = union_length(world)
    to_transport = union_length([*world, *on_the_way])
    to_queue = union_length([*world, *on_the_way, *clipped(queue, begun, ended)])
    work = max(0.0, wall - to_queue)
    hops_sum = sum(hop.duration for hop in request.hops)
    daemon_sum = sum(share.daemon for share in shares)
    splits = {share.split for share in shares}
    transport, transport_sum = to_transport - to_world, hops_sum - daemon_sum
    error = sum(share.error for share in shares)
    return Bill(
        wall,
        transport=transport,
        work=work,
        work_cpu=min(work, exposed_cpu),
        queue=to_queue - to_transport,
        world=to_world,
        front=front,
        front_error=front_error,
        front_known=front_known,
        hops=union_length(hops),
        hops_sum=hops_sum,
        hop_count=len(hops),
        helpers=union_length(helpers),
        helpers_sum=sum(helper.duration for helper in request.helpers),
        helper_count=len(helpers),
        own=max(0.0, wall - union_length(clipped([*hops, *helpers], begun, ended))),
        daemon_sum=daemon_sum,
        transport_sum=transport_sum,
        transport_error=error * min(1.0, transport / transport_sum) if transport_sum > 0.0 else error,
        split=splits.pop() if len(splits) == 1 else "mixed" if splits else "none",
    )


def _late(request: Request, hop: Hop) -> float:
    """How long other work delayed the event loop before it sent the hop: this is own work, not transport."""
    return min(hop.duration, request.late.get(hop.started, 0.0)) if request.late else 0.0


def _at_work(sent: Sequence[Interval], shares: Sequence[HopShares]) -> list[Interval]:
    """When containerd worked on each hop, with half of the transport before it and half after it."""
    at_work = []
    for (start, end), share in zip(sent, shares, strict=True):
        if share.daemon > 0.0:
            one_way = (end - start - share.daemon) / 2
            at_work.append((start + one_way, end - one_way))
    return at_work


def _waits(request: Request) -> tuple[list[Interval], list[Interval]]:
    """Return the waits for what is not ours, and the waits for our own limits and locks."""
    outside: list[Interval] = []
    queue: list[Interval] = []
    for wait in request.waits or ():
        (outside if wait.name in OUTSIDE else queue).append((wait.started, wait.started + wait.duration))
    return outside, queue
