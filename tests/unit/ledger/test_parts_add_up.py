"""Whatever overlaps whatever: the four parts of a bill add up to the wall time of their request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerd_client.hops import Hop
from cri_shim.ledger.bill import Bill
from cri_shim.ledger.bill_text import bill_text, parse_bill
from cri_shim.ledger.billing import hop_shares, rebill
from cri_shim.ledger.intervals import clipped, union_length
from cri_shim.ledger.request import Request
from cri_shim.ledger.transport.transport_estimate import Charge
from cri_shim.network.exec import Helper
from cri_shim.timeline import Stretch

_stretches = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=12)


def steps(stretches):
    return {step for start, length in stretches for step in range(start, start + length)}


def intervals(stretches):
    return [(float(start), float(start + length)) for start, length in stretches]


@given(_stretches)
def test_covered_is_the_length_of_the_union(stretches):
    """Overlaps count once: compared with counting unit steps."""
    assert union_length(intervals(stretches)) == len(steps(stretches))


@given(_stretches, st.integers(0, 70), st.integers(0, 30))
def test_clipped_keeps_what_lies_between(stretches, low, length):
    """Compared with counting unit steps."""
    between = {step for step in steps(stretches) if low <= step < low + length}
    assert union_length(clipped(intervals(stretches), low, low + length)) == len(between)


@given(_stretches, _stretches, _stretches, _stretches, st.integers(0, 10))
def test_the_four_parts_add_up_to_the_wall_time(hops, helpers, outside, queue, transport):
    """At each moment one part is charged: the world before transport, transport before the queue, work is the rest."""
    request = Request(7, "RunPodSandbox", "v1")
    request.started = begun = 1000.0
    request.hops = [Hop("m", begun + start, float(2 * length), 1, 1, 1, "OK") for start, length in hops]
    request.charges = [Charge(2.0 * transport, 0.5) for _ in hops]
    request.helpers = [Helper("bridge", "ADD", begun + start, float(length), 0) for start, length in helpers]
    request.waits = [Stretch("exit", begun + start, float(length)) for start, length in outside]
    request.waits += [Stretch("turn", begun + start, float(length)) for start, length in queue]
    request.exposed_cpu = 30.0
    request.bill = Bill(80.0)
    bill = rebill(request)
    on_wall = set(range(80))
    in_flight = steps((start, 2 * length) for start, length in hops) & on_wall
    at_work = steps((start + transport, 2 * (length - transport)) for start, length in hops if length > transport)
    world = (at_work | steps(helpers) | steps(outside)) & on_wall
    assert bill.world == pytest.approx(len(world))
    assert bill.transport == pytest.approx(len(in_flight - world))
    assert bill.queue == pytest.approx(len((steps(queue) & on_wall) - world - in_flight))
    assert bill.transport + bill.work + bill.queue + bill.world == pytest.approx(80.0)
    assert bill.work_cpu + bill.work_wait == pytest.approx(bill.work)
    assert 0 <= bill.work_cpu <= 30
    assert bill.price == pytest.approx(bill.transport + bill.work)
    assert bill.hops_sum == pytest.approx(sum(2 * length for _, length in hops))
    assert bill.daemon_sum + bill.transport_sum == pytest.approx(bill.hops_sum)
    assert bill.own == pytest.approx(80 - len((in_flight | steps(helpers)) & on_wall))
    assert bill.split == ("estimate" if hops else "none")
    figures: dict[str, Any] = parse_bill(bill_text(request))
    assert figures["id"] == 7
    assert figures["transport"] + figures["work"] + figures["queue"] + figures["world"] == figures["wall"] == 80e6
    assert figures["work_cpu"] + figures["work_wait"] == figures["work"]
    assert figures["front"] + figures["transport"] + figures["work"] == figures["price"]


def test_what_is_hidden_behind_a_helper_is_in_neither_the_transport_nor_its_error():
    """Of two hops one runs beside a CNI plugin: half of the sum, and half of what it may be off, is in the price."""
    request = Request(7, "RunPodSandbox", "v1")
    begun = request.started
    request.hops = [Hop("m", begun, 10.0, 1, 1, 1, "OK"), Hop("m", begun + 10.0, 10.0, 1, 1, 1, "OK")]
    request.charges = [Charge(2.0, 0.5), Charge(2.0, 0.5)]
    request.helpers = [Helper("bridge", "ADD", begun + 10.0, 10.0, 0)]
    request.bill = Bill(20.0)
    bill = rebill(request)
    assert bill.transport_sum == pytest.approx(4.0)
    assert bill.transport == pytest.approx(2.0)
    assert bill.transport_error == pytest.approx(0.5)
    assert bill.price_error == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("duration", "charge", "transport", "error"),
    [
        (10.0, Charge(2.0, 0.5), 2.0, 0.5),
        (10.0, Charge(2.0, 3.0), 2.0, 3.0),
        (2.5, Charge(2.0, 3.0), 2.0, 2.0),
        (1.0, Charge(2.0, 1.5), 1.0, 0.5),
        (1.0, Charge(9.0, 3.0), 1.0, 0.0),
    ],
)
def test_an_estimate_is_off_by_no_more_than_the_hop_is_long(duration, charge, transport, error):
    """Of a hop the transport lies between nothing and all of it, however uncertain null calls are."""
    request = Request(7, "Status", "v1")
    request.hops = [Hop("m", request.started, duration, 1, 1, 1, "OK")]
    request.charges = [charge]
    shares = hop_shares(request, 0)
    assert shares.transport == pytest.approx(transport)
    assert shares.error == pytest.approx(error)
    assert shares.daemon + shares.transport == duration
