"""A request's parts add up to its wall time."""

from __future__ import annotations

import asyncio
import time

from hypothesis import given
from hypothesis import strategies as st

from containerd_client.hops import Hop
from cri_shim.hops.ledger import close_request, covered, note_hop, open_request

_intervals = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)).map(lambda t: (t[0], t[0] + t[1])), max_size=12)


@given(_intervals)
def test_covered_is_the_length_of_the_union(intervals):
    """Overlaps count once: compared with counting unit steps."""
    steps = {step for start, end in intervals for step in range(start, end)}
    assert covered([(float(a), float(b)) for a, b in intervals]) == len(steps)


async def test_hops_of_child_tasks_belong_to_the_request():
    """An operation's hops are on its request's bill while the request is open, and not afterwards."""
    request = open_request("RunPodSandbox")

    async def hop() -> None:
        note_hop(Hop("m", time.perf_counter(), 0.01, 1, 1, 1, "OK"))

    await asyncio.gather(asyncio.create_task(hop()), asyncio.create_task(hop()))
    bill = close_request(request)
    await asyncio.create_task(hop())
    assert bill.hop_count == 2
    assert len(request.hops) == 2
    assert abs(bill.own + covered([(h.started, h.started + h.duration) for h in request.hops]) - bill.wall) < 0.02
