"""Records, typical shapes and totals as JSON: the figures of the ledger, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from containerd_client.hops import Hop
from cri_shim.ledger.billing import close_request
from cri_shim.ledger.front_now import front_hop
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.older_record import completed
from cri_shim.ledger.record_json import record, summary
from cri_shim.ledger.steps import whole
from cri_shim.ledger.totals import percentile, totals
from cri_shim.ledger.transport.estimate import Estimate
from cri_shim.ledger.typical import typical
from cri_shim.ledger.unfinished import UNFINISHED
from cri_shim.network.exec import Helper
from cri_shim.timeline import Stretch

if TYPE_CHECKING:
    from cri_shim.ledger.request import Request


def ended(
    ledger: Ledger, method: str = "RunPodSandbox", *, hops: int = 2, took: float = 0.01, code: str = "OK"
) -> Request:
    """A request with hops one after the other and one helper beside the first."""
    request = ledger.open(method)
    for number in range(hops):
        ledger.note_hop(Hop("a.v1.Tasks/Create", request.started + number * took, took, 10, 20, 1 + number, "OK"))
    ledger.note_helper(Helper("bridge", "ADD", request.started, took / 2, 0))
    ledger.close(request, code)
    return request


def test_shares_of_hops_add_up_to_the_bill_even_when_the_null_call_changes():
    """The estimate that a bill was made out with is the one its hops are shown with, later too."""
    ledger = Ledger()
    ledger.transport.curve.note(1.0, 0.001)
    request = ended(ledger)
    for _ in range(100):
        ledger.transport.curve.note(1.0, 0.004)
    as_json = whole(record(request))
    assert sum(hop["daemon_ms"] for hop in as_json["hops"]) == pytest.approx(
        as_json["bill"]["daemon_sum_ms"], abs=0.002
    )
    assert sum(hop["transport_ms"] for hop in as_json["hops"]) == pytest.approx(2.0, abs=0.002)
    assert as_json["bill"]["transport_sum_ms"] == pytest.approx(2.0, abs=0.002)


def test_a_summary_counts_bytes_and_repeats():
    """Bytes are sums over hops, repeats are attempts beyond the first."""
    as_json = summary(ended(Ledger(), hops=3))
    assert (as_json["bytes_out"], as_json["bytes_in"], as_json["retries"], as_json["hop_count"]) == (30, 60, 3, 3)
    assert not as_json["running"]
    assert "hops" not in as_json


def test_an_active_request_shows_what_is_under_way():
    """A hop that has begun is there, without an end of its own and without a share."""
    ledger = Ledger()
    request = ledger.open("PullImage")
    ledger.note_call("a.v1.Content/Write", request.started)
    as_json = whole(record(request))
    assert as_json["running"]
    assert [(hop["code"], hop["split"], hop["bytes_known"]) for hop in as_json["hops"]] == [(UNFINISHED, "none", False)]
    assert as_json["unfinished_hop_count"] == 1
    assert as_json["critical_path"] == []
    assert as_json["bill"]["wall_ms"] >= as_json["hops"][0]["duration_ms"] - 1
    assert {as_json["bill"][f"{part}_ms"] for part in ("transport", "work", "queue", "world", "price")} == {0.0}


def test_a_hop_that_outlived_its_request_has_no_known_bytes():
    """Its 0 bytes are not a measurement, and its sums say that they lack it."""
    ledger = Ledger()
    request = ledger.open("RunPodSandbox")
    ledger.note_hop(Hop("a.v1.Tasks/Create", request.started, 0.01, 10, 20, 1, "OK"))
    ledger.note_call("a.v1.Tasks/Start", request.started)
    ledger.close(request)
    as_json = whole(record(request))
    assert {hop["code"]: hop["bytes_known"] for hop in as_json["hops"]} == {"OK": True, UNFINISHED: False}
    assert (as_json["unfinished_hop_count"], as_json["bytes_out"]) == (1, 10)


def test_each_piece_says_what_it_is_for_and_whether_the_answer_waited_for_it():
    """The second hop ended last, and the first before it began; the plugin ran beside the first and was quicker."""
    request = ended(Ledger())
    request.bill = structs.replace(request.bill, wall=0.025)
    as_json = whole(record(request))
    assert [hop["critical"] for hop in as_json["hops"]] == [True, True]
    (helper,) = as_json["helpers"]
    assert ("bridge of the node" in helper["purpose"], helper["critical"]) == (True, False)
    assert as_json["hops"][0]["purpose"] == "start the pod's shim, which has runc make the pause container"
    assert [(step["kind"], step["place"]) for step in as_json["critical_path"]] == [
        ("hop", 0),
        ("hop", 1),
        ("work", None),
    ]


def test_a_record_of_the_release_before_is_completed():
    """What came later follows from what was there, so a view of this release can rely on it."""
    ledger = Ledger()
    request = ledger.open("RunPodSandbox")
    ledger.note_hop(Hop("a.v1.Tasks/Create", request.started, 0.01, 10, 20, 1, "OK"))
    ledger.note_call("a.v1.Tasks/Start", request.started)
    ledger.note_helper(Helper("bridge", "ADD", request.started, 0.005, 0))
    request.waits = [Stretch("lock", request.started, 0.001)]
    request.stages = [Stretch("parse", request.started, 0.001)]
    ledger.close(request)
    now = whole(record(request))
    later = {"purpose", "critical", "bytes_known"}
    before = {key: value for key, value in now.items() if key not in {"critical_path", "unfinished_hop_count"}}
    for name in ("hops", "helpers", "stages", "waits"):
        before[name] = [{key: value for key, value in row.items() if key not in later} for row in now[name]]
    assert completed(before) == now
    assert completed(now) is now


def test_the_parts_of_an_ended_request_add_up_as_they_are_written():
    """Four parts to the wall time, three to the price, to the last decimal."""
    ledger = Ledger()
    ledger.transport.curve.note(1.0, 0.0007)
    for took in (0.0012347, 0.0033333, 0.0100049):
        bill = whole(record(ended(ledger, took=took)))["bill"]
        parts = sum(bill[f"{part}_ms"] for part in ("transport", "work", "queue", "world"))
        assert round(parts, 3) == bill["wall_ms"]
        assert round(bill["front_ms"] + bill["transport_ms"] + bill["work_ms"], 3) == bill["price_ms"]


def test_a_wait_says_which_part_of_the_bill_it_is():
    """Limits and locks of our own are the queue, all else is the world."""
    request = Ledger().open("StopContainer")
    names = ("turn", "lock", "gate", "exit", "output", "registry", "joined")
    request.waits = [Stretch(name, request.started + at, 0.1) for at, name in enumerate(names)]
    close_request(request, "OK", "")
    assert [(wait["name"], wait["part"]) for wait in whole(record(request))["waits"]] == [
        *((name, "queue") for name in names[:3]),
        *((name, "world") for name in names[3:]),
    ]


def test_the_typical_shape_is_the_median_of_what_went_well():
    """One slow request does not move it, a failed one is left out, a hop that is not always there has its share."""
    ledger = Ledger()
    shown = [ended(ledger, took=took, hops=hops) for took, hops in ((0.01, 2), (0.01, 2), (0.01, 1), (0.5, 2))]
    shape = whole(typical([*shown, ended(ledger, took=9.0, code="INTERNAL")]))
    assert shape is not None
    assert shape["count"] == 4
    assert [(hop["nth"], hop["share"]) for hop in shape["hops"]] == [(0, 1.0), (1, 0.75)]
    assert shape["hops"][0]["duration_ms"] == 10.0
    assert shape["hops"][1]["start_ms"] == 10.0
    assert shape["helpers"][0]["duration_ms"] == 5.0
    assert whole(typical(shown[:1])) is None


def test_totals_by_method():
    """Each method has a row with its count, errors and hops for each request."""
    ledger = Ledger()
    for method, code, hops in (("A", "OK", 2), ("A", "INTERNAL", 4), ("B", "OK", 2)):
        ended(ledger, method, code=code, hops=hops)
    rows = {row["method"]: row for row in totals(ledger.remembered())}
    assert list(rows) == ["A", "B"]
    assert (rows["A"]["count"], rows["A"]["errors"], rows["A"]["hops_per_request"]) == (2, 1, 3.0)
    shares = [rows["A"][f"{part}_share"] for part in ("transport", "work", "queue", "world")]
    assert sum(shares) == pytest.approx(1.0, abs=0.0003)
    assert rows["A"]["price_p50_ms"] >= rows["A"]["work_p50_ms"]


def test_totals_say_how_the_price_is_known():
    """One word where all requests agree, ``mixed`` where they do not; requests without hops have no share to know."""
    ledger = Ledger()
    ledger.close(ledger.open("ListImages"))
    (none,) = totals(ledger.remembered())
    assert (none["split"], none["front_known"]) == ("none", "none")
    ledger.transport.curve.note(1.0, 0.001)
    request = ledger.open("ListImages")
    request.front_known, request.way_in, request.way_out = "estimate", Estimate(0.001, 0.0), Estimate(0.001, 0.0)
    ledger.note_hop(Hop("a.v1.Images/List", request.started, 0.002, 1, 1, 1, "OK"))
    ledger.close(request)
    (mixed,) = totals(ledger.remembered())
    assert (mixed["split"], mixed["front_known"]) == ("estimate", "mixed")


def test_the_front_hop_of_the_node_is_the_median_of_the_last_ones():
    """Absent until one is known; those of which nothing is known do not count."""
    ledger = Ledger()
    ledger.close(ledger.open("Version"))
    assert front_hop(ledger) == {"front_ms": None, "front_error_ms": None, "front_known": "none"}
    for seconds in (0.001, 0.002, 0.009):
        request = ledger.open("Version")
        request.front_known, request.way_in, request.way_out = "estimate", Estimate(seconds, 0.0002), Estimate(0.0, 0.0)
        ledger.close(request)
    assert front_hop(ledger) == {"front_ms": 2.0, "front_error_ms": 0.2, "front_known": "estimate"}


def test_percentiles_lie_between_neighbours():
    """The median of an even number is the middle of the two in the middle, the last is the greatest."""
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.5
    assert percentile([1.0, 2.0], 1.0) == 2.0
    assert percentile([7.0], 0.99) == 7.0
