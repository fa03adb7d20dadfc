"""Requests in the Trace Event Format: the fields that it documents, rows whose slices nest, and the right times."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from cri_shim.ledger.older_record import completed
from cri_shim.ledger.unfinished import UNFINISHED
from cri_shim.terminal.trace_event import _Slice, _to_lanes, trace_events
from tests.unit.terminal.records import HELPER, RECORD, hop

ARROWS = {"s", "f"}
KNOWN = {"X": {"ts", "dur"}, "M": {"args"}, "s": {"ts", "id", "cat"}, "f": {"ts", "id", "cat", "bp"}}
"""The types of events that we write, and the fields that each needs beside name, process and thread."""


def trace(*records: dict[str, Any]) -> dict[str, Any]:
    """Return the trace of records as a reader gets it."""
    text = json.dumps(trace_events([completed(one) for one in records], "a pod"), allow_nan=False)
    document: dict[str, Any] = json.loads(text)
    return document


def slices(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the complete events by name."""
    return {event["name"]: event for event in document["traceEvents"] if event["ph"] == "X"}


def rows(document: dict[str, Any]) -> dict[int, str]:
    """Return the names of the threads."""
    events = document["traceEvents"]
    return {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}


def test_every_event_has_the_fields_of_its_type():
    """Names, types and units are those that the format documents."""
    document = trace(RECORD)
    assert document["displayTimeUnit"] in {"ms", "ns"}
    for event in document["traceEvents"]:
        assert KNOWN[event["ph"]] <= event.keys()
        assert isinstance(event["name"], str)
        for field in ("pid", "tid", "ts"):
            assert isinstance(event[field], int), field
            assert event[field] >= 0
        if event["ph"] == "X":
            assert isinstance(event["dur"], int)
            assert isinstance(event["args"], dict)
        if event["ph"] == "M":
            assert event["name"] in {"process_name", "process_sort_index", "thread_name", "thread_sort_index"}


def test_times_are_microseconds_since_the_first_request():
    """A piece lies where it lay in its request, and a later request where it came."""
    later = {**RECORD, "id": 8, "method": "StartContainer", "started_at": RECORD["started_at"] + 1.5, "helpers": []}
    drawn = trace(RECORD, {**later, "hops": [hop("tasks.v1.Tasks/Start", 2.25, 3.5)]})
    shown = slices(drawn)
    assert (shown["RunPodSandbox 7"]["ts"], shown["RunPodSandbox 7"]["dur"]) == (0, 100_000)
    assert (shown["bridge ADD"]["ts"], shown["bridge ADD"]["dur"]) == (55_000, 30_000)
    assert (shown["StartContainer 8"]["ts"], shown["StartContainer 8"]["dur"]) == (1_500_000, 100_000)
    assert (shown["Tasks/Start"]["ts"], shown["Tasks/Start"]["dur"]) == (1_502_250, 3_500)
    assert drawn["otherData"]["zero"].startswith("2025-11-24T")


def test_a_clock_that_was_set_back_moves_no_request():
    """Where the daemon's own clock is known, the distance of requests is its; of a release before, the node's."""
    later = {**RECORD, "id": 8, "method": "StartContainer", "started_at": RECORD["started_at"] - 3600.0, "helpers": []}
    drawn = trace(RECORD | {"clock_ms": 5000.0}, later | {"clock_ms": 6500.0})
    shown = slices(drawn)
    assert (shown["RunPodSandbox 7"]["ts"], shown["StartContainer 8"]["ts"]) == (0, 1_500_000)
    assert drawn["otherData"]["zero"] == trace(RECORD)["otherData"]["zero"]
    shown = slices(trace(RECORD | {"clock_ms": 5000.0}, later | {"clock_ms": None}))
    assert (shown["RunPodSandbox 7"]["ts"], shown["StartContainer 8"]["ts"]) == (3600_000_000, 0)


class Counted(int):
    """A moment that counts how often it is compared."""

    compared = 0

    def __le__(self, other: int) -> bool:
        Counted.compared += 1
        return super().__le__(other)

    def __ge__(self, other: int) -> bool:
        Counted.compared += 1
        return super().__ge__(other)


def test_the_rows_of_many_slices_are_found_without_a_search_through_all():
    """Twenty thousand hops at once took seconds; each slice costs a few comparisons, however many rows there are."""
    many = [_Slice("hop", "Write", Counted(start), 10_000, {}) for start in range(3000)]
    Counted.compared = 0
    assert len(_to_lanes(many)) == 3000
    assert Counted.compared < 10 * len(many)
    assert [one.lane for one in many] == list(range(1, 3001))


def test_slices_of_a_row_do_not_overlap():
    """Both programs require that they nest; what runs at the same time gets a row of its own."""
    hops = [hop("tasks.v1.Tasks/Create", float(start), 10.0) for start in (0, 0, 5, 10, 12, 30)]
    document = trace({**RECORD, "hops": hops})
    by_row: dict[int, list[tuple[int, int]]] = {}
    for event in document["traceEvents"]:
        if event["ph"] == "X":
            by_row.setdefault(event["tid"], []).append((event["ts"], event["ts"] + event["dur"]))
    for drawn in by_row.values():
        assert all(end <= start for (_, end), (start, _) in pairwise(sorted(drawn)))
    names = rows(document)
    assert sorted(names) == list(range(1, len(names) + 1)), "a row is known by its number alone"
    assert [name for name in names.values() if name.startswith("containerd")] == [
        "containerd: hops",
        "containerd: hops (2)",
        "containerd: hops (3)",
    ]
    assert set(by_row) == set(names)


def test_rows_stand_in_the_order_of_their_kinds():
    """The request first, what it did itself, and then the world."""
    assert list(rows(trace(RECORD)).values()) == [
        "CRI request",
        "own queue",
        "containerd: hops",
        "CNI plugins",
        "waiting for the world",
    ]


def test_a_slice_says_what_it_is_for_and_what_is_known_of_it():
    """The sentence, bytes, and containerd's share; what is not known is not 0."""
    hops = [
        hop(
            "tasks.v1.Tasks/Create", 0.0, 50.0, daemon_ms=49.0, transport_ms=1.0, transport_error_ms=0.5, split="spans"
        ),
        hop("tasks.v1.Tasks/Start", 60.0, 40.0, code=UNFINISHED, bytes_out=0, bytes_in=0),
    ]
    shown = slices(trace({**RECORD, "hops": hops}))
    create, start = shown["Tasks/Create"]["args"], shown["Tasks/Start"]["args"]
    assert create["purpose"] == "start the pod's shim, which has runc make the pause container"
    assert (create["request"], create["bytes_out"], create["daemon_ms"]) == (7, 1200, 49.0)
    assert (start["bytes_out"], start["bytes_in"], start["code"]) == ("unknown", "unknown", UNFINISHED)
    assert "daemon_ms" not in start
    assert "bridge of the node" in shown["bridge ADD"]["args"]["purpose"]
    assert shown["RunPodSandbox 7"]["args"]["bill"]["price_ms"] == 25.0


def test_arrows_follow_the_critical_path():
    """Each leaves inside of a piece that the answer waited for and enters the next one."""
    document = trace(RECORD)
    critical = sorted(
        (event for event in document["traceEvents"] if "critical" in event.get("cat", "") and event["ph"] == "X"),
        key=lambda event: event["ts"],
    )
    assert [event["name"] for event in critical] == ["Containers/Create", "lock", "exit", "Tasks/Create"]
    arrows = [event for event in document["traceEvents"] if event["ph"] in ARROWS]
    for (earlier, later), (leaves, enters) in zip(
        pairwise(critical), zip(arrows[::2], arrows[1::2], strict=True), strict=True
    ):
        assert (leaves["ph"], enters["ph"], enters["bp"]) == ("s", "f", "e")
        assert (leaves["id"], leaves["name"], leaves["cat"]) == (enters["id"], enters["name"], enters["cat"])
        assert leaves["tid"] == earlier["tid"]
        assert earlier["ts"] <= leaves["ts"] < earlier["ts"] + earlier["dur"]
        assert (enters["tid"], enters["ts"]) == (later["tid"], later["ts"])


@pytest.mark.parametrize("running", [True, False])
def test_a_request_without_anything_in_it(running):
    """One slice for the request; while it runs, its code says so."""
    record = {**RECORD, "hops": [], "helpers": [], "waits": [], "running": running, "code": "" if running else "OK"}
    (only,) = slices(trace(record)).values()
    assert only["args"]["code"] == ("running" if running else "OK")


def test_a_helper_that_outlived_its_request():
    """It has no exit code."""
    shown = slices(trace({**RECORD, "helpers": [{**HELPER, "exit_code": None}]}))
    assert shown["bridge ADD"]["args"]["exit_code"] == UNFINISHED
