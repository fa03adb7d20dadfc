"""Bills as a result keeps them: every request's, in the words of the trailing metadata, whatever an endpoint sends."""

from __future__ import annotations

import msgspec
import pytest

from cri_shim.bench.clients.caller import Answer
from cri_shim.bench.endpoint.node import Samples
from cri_shim.bench.results.bills import itemize, read_bill

LONG = (
    "id=7 wall=8000 transport=1500 work=1000 work_cpu=700 work_wait=300 queue=500 world=5000 front=900 front_error=100 "
    "front_known=measured price=3400 hops=6000 hops_sum=12000 hop_count=5 helpers=3000 helpers_sum=3000 helper_count=1 "
    "own=1000 daemon_sum=10000 transport_sum=2000 transport_error=200 split=estimate"
)
SHORT = "id=8 wall=50 transport=0 work=50 work_cpu=40 work_wait=10 queue=0 world=0 front=900 front_known=estimate"
OLD = "id=7 wall=8000 own=1000 awaited=0 extra=1000"


def test_what_the_client_saw_beyond_the_bill_is_kept():
    """Front hop and wall time are 8.9 ms; of 9 the rest is nobody's, and is not hidden."""
    bill = read_bill(LONG, 9.0)
    assert bill is not None
    assert bill.parts["not_accounted_for"] == pytest.approx(0.1)
    assert (bill.split, bill.front_known) == ("estimate", "measured")


def test_every_request_is_kept_apart():
    """Two answers give two values of each part; what was 0 in both is left out; counts stay counts."""
    samples = Samples()
    samples.add_answer("RunPodSandbox", Answer(b"", 9.0, LONG))
    samples.add_answer("RunPodSandbox", Answer(b"", 10.0, LONG.replace("wall=8000", "wall=8800").replace("=5 ", "=6 ")))
    bills = samples.bills()["RunPodSandbox"]
    assert bills.count == 2
    assert bills.parts["wall"] == [8.0, 8.8]
    assert bills.parts["hop_count"] == [5.0, 6.0]
    assert bills.parts["transport_error"] == [0.2, 0.2]
    assert bills.split == {"estimate": 2}
    assert bills.front_known == {"measured": 2}
    assert "hops" not in itemize([bill for bill in [read_bill(SHORT, 1.0)] if bill]).parts


@pytest.mark.parametrize("text", ["", OLD, "gibberish", "id=7 wall"])
def test_other_bills_are_none(text):
    """No bill, one of an older daemon whose transport is something else, and words: none of them is taken for one."""
    samples = Samples()
    samples.add_answer("Version", Answer(b"", 1.0, text))
    assert samples.values == {"Version": [1.0]}
    assert samples.bills() == {}


def test_numbers_that_are_none_do_not_spoil_the_file():
    """NaN and infinity are no JSON; words that no bill has are not repeated."""
    bill = read_bill("wall=nan front=inf transport=1e999 queue=x split=<script> front_known=2", 1.0)
    assert bill is not None
    decoded = msgspec.json.decode(msgspec.json.encode(itemize([bill])))
    assert decoded["parts"] == {"not_accounted_for": [1.0]}
    assert decoded["split"] == {}
    assert decoded["front_known"] == {"none": 1}
