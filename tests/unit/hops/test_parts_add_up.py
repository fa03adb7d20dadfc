"""Whatever overlaps whatever: hops, helpers and own time add up to the wall time of their request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerd_client.hops import Hop
from cri_shim.hops.bill_text import bill_text, parse_bill
from cri_shim.hops.intervals import covered, uncovered
from cri_shim.hops.request import Bill, Request
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
    assert covered(intervals(stretches)) == len(steps(stretches))


@given(_stretches, _stretches)
def test_uncovered_is_what_the_others_leave(stretches, others):
    """The same comparison for the difference."""
    assert uncovered(intervals(stretches), intervals(others)) == len(steps(stretches) - steps(others))


@given(_stretches, _stretches, _stretches, st.one_of(st.none(), st.floats(0, 5)))
def test_the_parts_add_up(hops, helpers, waits, null_call):
    """Own time is what neither covers; transport and daemon time share the hops; the bill text says the same."""
    request = Request(7, "RunPodSandbox", "v1")
    begun = request.started
    request.hops = [Hop("m", begun + start, float(length), 1, 1, 1, "OK") for start, length in hops]
    request.helpers = [Helper("bridge", "ADD", begun + start, float(length), 0) for start, length in helpers]
    request.waits = [Stretch("exit", begun + start, float(length)) for start, length in waits]
    request.bill = Bill(80.0)
    bill = request.settle(null_call)
    busy = steps(hops) | steps(helpers)
    assert bill.wall == 80.0
    assert bill.own == pytest.approx(80 - len(busy))
    assert bill.hops == pytest.approx(len(steps(hops)))
    assert bill.helpers == pytest.approx(len(steps(helpers)))
    assert bill.awaited == pytest.approx(len(steps(waits) - busy))
    assert bill.hops_sum == pytest.approx(sum(length for _, length in hops))
    if null_call is not None and hops:
        assert bill.daemon + bill.transport == pytest.approx(bill.hops_sum)
        assert bill.split == "estimate"
    told = parse_bill(bill_text(request))
    assert told["id"] == 7
    assert told["wall"] == 80e6
    assert told["own"] == pytest.approx(bill.own * 1e6, abs=1)
    assert told["extra"] == pytest.approx(bill.extra * 1e6, abs=1)
    if bill.hop_count or bill.helper_count:
        assert told["hops"] == pytest.approx(bill.hops * 1e6, abs=1)
        assert told["split"] == bill.split
