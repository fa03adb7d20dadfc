"""The hop between client and daemon: measured where the client sends its time, else estimated by the quiet before."""

from __future__ import annotations

import time
from functools import partial

import pytest

from cri_shim.ledger.front.client_time import sent_at
from cri_shim.ledger.front_estimate import LATE, LONGEST_WAY, Gaps
from cri_shim.ledger.ledger import Ledger
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]

SENT = 1764403200.5


@pytest.mark.parametrize(
    ("metadata", "seconds"),
    [
        ((("cri-shim-sent", "1764403200500000000"),), SENT),
        ((("tracestate", "cri-shim=1764403200500000000"),), SENT),
        ((("tracestate", "a=b, cri-shim=1764403200500000000 ,c=d"),), SENT),
        ((("user-agent", "kubelet"), ("tracestate", "not-cri-shim=1")), None),
        ((("cri-shim-sent", "-1"),), None),
        ((("cri-shim-sent", "١٢"),), None),
        ((("cri-shim-sent", "1" * 20),), None),
        ((("cri-shim-sent", b"17"),), None),
        ((("cri-shim-sent", ""),), None),
    ],
)  # fmt: skip
def test_the_time_of_a_client(metadata, seconds):
    """A number of nanoseconds and nothing else."""
    assert sent_at(metadata) == seconds


def probed() -> Ledger:
    """A ledger that knows both ways at three gaps."""
    ledger = Ledger()
    for gap, way_in, way_out in ((0.0, 0.0001, 0.00005), (0.1, 0.0005, 0.0002), (1.0, 0.0006, 0.0003)):
        for _ in range(3):
            ledger.front.note(Gaps(gap, gap), way_in, way_out)
    return ledger


def quiet_for(ledger: Ledger, way_in: float, way_out: float) -> None:
    """Let the last request have come, and have been answered, so many seconds ago."""
    now = time.perf_counter()
    ledger.front.probed(now - way_in, now - way_out)


def test_a_request_after_a_quiet_socket():
    """Both ways as the probe found them after as long a quiet; their errors are added."""
    ledger = probed()
    quiet_for(ledger, 5.0, 5.0)
    request = ledger.open("ListPodSandbox")
    ledger.close(request)
    assert request.bill.front == pytest.approx(0.0009)
    assert request.bill.front_known == "estimate"


def test_a_busy_event_loop_adds_to_the_error():
    """How long a request waits for it before it begins is not known."""
    ledger = probed()
    for lag, more in ((LATE / 2, 0.0), (0.05, 0.05)):
        ledger.front.lag = partial(float, lag)
        quiet_for(ledger, 5.0, 5.0)
        request = ledger.open("ListPodSandbox")
        ledger.close(request)
        assert request.bill.front_error == pytest.approx(more)


def test_a_request_right_after_a_long_one():
    """Its client has waited for that one as long as it took: it comes from a quiet socket, and its answer does not."""
    ledger = probed()
    quiet_for(ledger, 5.0, 0.0)
    request = ledger.open("CreateContainer")
    ledger.close(request)
    assert request.bill.front == pytest.approx(0.0006 + 0.00005, rel=0.05)


def test_the_way_in_is_measured_where_the_client_sends_its_time():
    """The way out stays an estimate."""
    ledger = probed()
    quiet_for(ledger, 5.0, 5.0)
    request = ledger.open("ListPodSandbox", sent_at=time.time() - 0.25)
    ledger.close(request)
    assert 0.25 <= request.bill.front - 0.0003 < 0.35
    assert request.bill.front_known == "measured"


@pytest.mark.parametrize("ago", [-5.0, LONGEST_WAY + 5.0])
def test_a_time_that_cannot_be_is_not_believed(ago):
    """A clock that was set, in either direction."""
    ledger = probed()
    quiet_for(ledger, 5.0, 5.0)
    request = ledger.open("ListPodSandbox", sent_at=time.time() - ago)
    ledger.close(request)
    assert request.bill.front_known == "estimate"
    assert request.bill.front == pytest.approx(0.0009)


def test_a_client_that_has_left_gets_no_answer():
    """Of a cancelled request, as every subscription to events is in the end, only the way in was made."""
    ledger = probed()
    quiet_for(ledger, 5.0, 5.0)
    request = ledger.open("GetContainerEvents")
    ledger.close(request, "CANCELLED")
    assert request.bill.front == pytest.approx(0.0006)


def test_nothing_is_charged_before_anything_is_known():
    """No probe, no client's time."""
    ledger = Ledger()
    request = ledger.open("ListPodSandbox")
    ledger.close(request)
    assert (request.bill.front, request.bill.front_known) == (0.0, "none")


def test_the_gaps_that_requests_had_are_remembered_once():
    """For the probe, which asks after each round."""
    ledger = probed()
    quiet_for(ledger, 5.0, 5.0)
    ledger.close(ledger.open("ListPodSandbox"))
    quiet_for(ledger, 0.09, 0.09)
    ledger.close(ledger.open("ListPodSandbox"))
    assert ledger.front.take_gaps() == {1.0, 0.1}
    assert ledger.front.take_gaps() == set()
