"""The recorder: what belongs to a request, what is kept of it, and for how long."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from containerd_client.hops import Hop
from cri_shim.ledger.billing import hop_shares, rebill
from cri_shim.ledger.ledger import (
    CAPACITY,
    CAPACITY_OF_EACH,
    MOST_WAITING,
    SLOWEST_OF_EACH,
    Ledger,
    LedgerObserver,
    LedgerOff,
)
from cri_shim.ledger.trace_context import TraceContext
from cri_shim.ledger.unfinished import UNFINISHED
from cri_shim.network.exec import Helper
from cri_shim.timeline import awaited, stage
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]

if TYPE_CHECKING:
    from collections.abc import Callable


def hop(method="m", started=None, duration=0.01, code="OK", trace=""):
    return Hop(method, time.perf_counter() if started is None else started, duration, 1, 1, 1, code, trace)


async def test_hops_of_child_tasks_belong_to_the_request():
    """An operation's hops are on its request's bill while the request is open, and not afterwards."""
    ledger = Ledger()
    request = ledger.open("RunPodSandbox")

    async def one() -> None:
        ledger.note_hop(hop())

    await asyncio.gather(asyncio.create_task(one()), asyncio.create_task(one()))
    ledger.close(request)
    await asyncio.create_task(one())
    assert request.bill.hop_count == 2
    assert len(request.hops) == 2


async def test_a_hop_still_in_flight_counts_up_to_the_answer():
    """What was waited for belongs to the request even if its end comes later."""
    ledger = Ledger()
    request = ledger.open("StopPodSandbox")
    ledger.note_call("Tasks/Kill", request.started)
    await asyncio.sleep(0.02)
    ledger.close(request, "CANCELLED")
    assert [h.code for h in request.hops] == [UNFINISHED]
    assert abs(request.bill.hops - request.bill.wall) < 0.005
    ledger.note_hop(hop("Tasks/Kill", request.started))
    assert len(request.hops) == 1


async def test_what_is_kept_is_bounded():
    """The newest of all, the newest of each method and the slowest of each method stay; the rest goes."""
    ledger = Ledger()
    rare = ledger.open("RunPodSandbox")
    ledger.close(rare)
    requests = []
    for _ in range(CAPACITY + 50):
        requests.append(ledger.open("Version"))
        ledger.close(requests[-1])
    assert len(ledger.newest()) == CAPACITY
    assert rare.id not in {packed.id for packed in ledger.newest()}
    stored = ledger.find(rare.id)
    assert stored is not None
    assert stored.bill == rare.bill
    newest = [request.id for request in requests[-CAPACITY_OF_EACH:]]
    assert [packed.id for packed in ledger.newest_of("Version")] == newest
    walls = [packed.bill.wall for packed in ledger.slowest("Version")]
    assert walls == sorted((request.bill.wall for request in requests), reverse=True)[:SLOWEST_OF_EACH]
    assert not ledger.active_requests


async def test_observers_are_notified_in_order_until_they_leave():
    """A view sees a request open, its hop begin and end, and the request close."""

    class Recorder(LedgerObserver):
        def __init__(self):
            self.seen = []

        def opened(self, request):
            self.seen.append(("opened", request.id))

        def called(self, request, method):
            self.seen.append(("called", request and request.id, method))

        def hopped(self, request, hop):
            self.seen.append(("hopped", request and request.id, hop.method))

        def helped(self, request, helper):
            self.seen.append(("helped", request and request.id, helper.name))

        def closed(self, request):
            self.seen.append(("closed", request.id, request.bill.hop_count))

    ledger, observer = Ledger(), Recorder()
    ledger.listen(observer)
    request = ledger.open("CreateContainer")
    started = time.perf_counter()
    ledger.note_call("Tasks/Create", started)
    ledger.note_hop(hop("Tasks/Create", started))
    ledger.note_helper(Helper("bridge", "ADD", started, 0.001, 0))
    ledger.close(request)
    ledger.note_hop(hop("Events/Subscribe"))
    ledger.leave(observer)
    ledger.close(ledger.open("Version"))
    assert observer.seen == [
        ("opened", 1),
        ("called", 1, "Tasks/Create"),
        ("hopped", 1, "Tasks/Create"),
        ("helped", 1, "bridge"),
        ("closed", 1, 1),
        ("hopped", None, "Events/Subscribe"),
    ]


class Closed(LedgerObserver):
    """Remembers the ids of requests that were closed."""

    def __init__(self, *, at_once=False):
        self.at_once = at_once
        self.ids = []

    def closed(self, request):
        self.ids.append(request.id)


async def test_records_are_flushed_later_for_several_requests_in_one_go():
    """The bill exists at once; packing and observers wait for one timer, or for the next reader."""
    appointments: list[Callable[[], None]] = []
    ledger, observer = Ledger(appointments.append), Closed()
    ledger.listen(observer)
    first, second = ledger.open("Version"), ledger.open("Status")
    time.sleep(0.001)
    ledger.close(first)
    ledger.close(second)
    assert first.ended
    assert first.bill.wall > 0
    assert not ledger.active_requests
    assert (observer.ids, len(appointments)) == ([], 1)
    appointments.pop()()
    assert observer.ids == [packed.id for packed in ledger.newest()] == [1, 2]
    ledger.close(ledger.open("Version"))
    assert len(appointments) == 1
    ledger.catch_up()
    assert observer.ids == [1, 2, 3]
    appointments.pop()()
    assert observer.ids == [1, 2, 3]


async def test_a_bug_of_a_view_costs_no_request_its_answer():
    """Requests are aggregated while another one is answered; the others, and the other views, go on."""
    ledger, observer = Ledger(lambda _: None), Closed()

    class Faulty(LedgerObserver):
        def closed(self, request):
            raise KeyError(request.id)

    ledger.listen(Faulty())
    ledger.listen(observer)
    for _ in range(MOST_WAITING):
        ledger.close(ledger.open("Version"))
    assert observer.ids == [*range(1, MOST_WAITING + 1)]


@pytest.mark.parametrize(
    "read",
    [
        Ledger.newest,
        Ledger.every,
        Ledger.remembered,
        Ledger.slowest,
        lambda ledger: ledger.newest_of("Version"),
        lambda ledger: [ledger.find(1)],
    ],
)
async def test_a_view_sees_every_request_that_has_ended(read):
    """Also one that ended while the view was being made, and is neither active any more nor aggregated yet."""
    appointments: list[Callable[[], None]] = []
    ledger = Ledger(appointments.append)
    ledger.close(ledger.open("Version"))
    (one,) = read(ledger)
    assert one is not None
    assert one.id == 1


async def test_many_requests_do_not_wait_for_the_appointment():
    """In a burst the books are kept now and then, so that no moment has to do it for all."""
    appointments: list[Callable[[], None]] = []
    ledger, observer = Ledger(appointments.append), Closed()
    ledger.listen(observer)
    for _ in range(MOST_WAITING):
        ledger.close(ledger.open("Version"))
    assert len(observer.ids) == MOST_WAITING
    assert len(appointments) == 1


async def test_an_observer_that_is_to_be_notified_at_once_is():
    """While there is a watcher, requests are flushed at once; those that ended earlier are not reported to it."""
    appointments: list[Callable[[], None]] = []
    ledger, patient, watcher = Ledger(appointments.append), Closed(), Closed(at_once=True)
    ledger.listen(patient)
    ledger.close(ledger.open("Version"))
    ledger.listen(watcher)
    assert (patient.ids, watcher.ids) == ([1], [])
    ledger.close(ledger.open("Version"))
    assert (patient.ids, watcher.ids) == ([1, 2], [2])
    ledger.leave(watcher)
    ledger.close(ledger.open("Version"))
    assert (patient.ids, watcher.ids) == ([1, 2], [2])


async def test_each_hop_of_a_traced_request_gets_a_span_of_its_own():
    """The traceparent names the request's trace and a new span; without a trace there is none."""
    ledger = Ledger()
    request = ledger.open("Status", trace=TraceContext("a" * 32, "b" * 16))
    sent = [ledger.note_call("m", float(n)) for n in range(3)]
    assert len(set(sent)) == 3
    assert all(traceparent.startswith("00-" + "a" * 32 + "-") and traceparent.endswith("-01") for traceparent in sent)
    ledger.close(request)
    ledger.open("Status")
    assert ledger.note_call("m", 0.0) == ""


async def test_waiting_for_the_world_is_own_time_but_not_in_the_price():
    """A container's grace period is not part of the price; time spent computing is."""
    ledger = Ledger()
    request = ledger.open("StopContainer")
    with awaited("exit"):
        await asyncio.sleep(0.05)
    with stage("computing"):
        time.sleep(0.02)
    ledger.close(request)
    bill = request.bill
    assert bill.own == bill.wall
    assert abs(bill.world - 0.05) < 0.02
    assert bill.price == bill.work == bill.wall - bill.world
    assert [s.name for s in request.stages or ()] == ["computing"]


async def test_containerds_own_spans_replace_the_estimate():
    """A null call's length is transport until containerd tells its share of the hop."""
    ledger = Ledger()
    ledger.transport.curve.note(1.0, 0.001)
    request = ledger.open("Status", trace=TraceContext("a" * 32, "b" * 16))
    trace = ledger.note_call("m", request.started)
    ledger.note_hop(hop("m", request.started, 0.010, trace=trace))
    ledger.close(request)
    assert str(request.bill.split) == "estimate"
    assert round(request.bill.transport_sum, 6) == 0.001
    request.server_spans = {trace[36:52]: 0.004}
    rebill(request)
    assert str(request.bill.split) == "spans"
    assert round(request.bill.transport_sum, 6) == 0.006
    assert round(request.bill.daemon_sum, 6) == 0.004


async def test_a_ledger_that_is_off_notes_nothing_but_the_wall_time():
    """Nothing is kept, no observer is notified, and no hop is charged."""
    ledger = LedgerOff()
    request = ledger.open("Version")
    assert ledger.note_call("m", 0.0) == ""
    ledger.note_hop(hop())
    time.sleep(0.001)
    ledger.close(request)
    assert request.bill.hop_count == 0
    assert request.bill.wall > 0
    assert ledger.newest() == []


async def test_one_bad_record_costs_itself_only():
    """Of a batch that is kept at once, the records beside one that cannot be packed are kept and counted."""

    class Counting(LedgerObserver):
        def __init__(self):
            self.closed_ones = []

        def closed(self, request):
            if request.method == "Odd":
                raise ValueError("cannot be said")
            self.closed_ones.append(request.id)

    pending: list[Callable[[], None]] = []
    ledger = Ledger(pending.append)
    counting = Counting()
    ledger.listen(counting)
    methods = ["Version", "PullImage", "Odd", "Version", "PullImage", "Version"]
    for method in methods:
        request = ledger.open(method)
        if method == "PullImage":
            request.subject = {"image": "reg/a\ud800"}
        if method == "Odd":
            request.server_spans = {"x": object()}  # type: ignore[dict-item]
        ledger.close(request, "INTERNAL", "no match for \ud800")
    pending[0]()
    assert [packed.method for packed in ledger.newest()] == [one for one in methods if one != "Odd"]
    assert ledger.lost == 1
    assert counting.closed_ones == [1, 2, 4, 5, 6]
    stored = ledger.find(2)
    assert stored is not None
    assert stored.subject == {"image": "reg/a\\ud800"}
    assert stored.error == "no match for \ufffd"


def test_late_hops_are_noted_in_one_place():
    """Copying the notes for each hop took as long as all hops before it, and a pull has thousands."""
    pending: list[Callable[[], None]] = []
    ledger = Ledger(soon=lambda call, *values: pending.append(partial(call, *values)))
    request = ledger.open("PullImage")
    for number in range(3):
        ledger.note_call("s.Content/Write", time.perf_counter() - number - 1.0)
    pending.pop()()
    noted = request.late
    while pending:
        pending.pop()()
    assert request.late is noted
    assert noted is not None
    assert len(noted) == 3


async def test_a_hop_that_the_event_loop_sends_late_is_own_work_until_then():
    """Something else kept the loop busy between its begin and its being sent: no transport, and not containerd's."""
    loop = asyncio.get_running_loop()
    ledger = Ledger(soon=loop.call_soon)
    ledger.transport.curve.note(0.0, 0.001)
    request = ledger.open("StopContainer")
    begun = time.perf_counter()
    loop.call_soon(time.sleep, 0.02)
    ledger.note_call("s.Tasks/Kill", begun)
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    ledger.note_hop(Hop("s.Tasks/Kill", begun, time.perf_counter() - begun, 1, 1, 1, "OK"))
    ledger.close(request)
    bill = request.bill
    assert bill.work == pytest.approx(0.02)
    assert bill.wall == pytest.approx(0.03)
    assert bill.transport == pytest.approx(0.001, rel=0.01)
    assert bill.world == pytest.approx(bill.wall - bill.work - bill.transport)
    assert bill.hops_sum == pytest.approx(bill.daemon_sum + bill.transport_sum)
    packed = ledger.newest()[0].request()
    assert hop_shares(packed, 0) == hop_shares(request, 0)
