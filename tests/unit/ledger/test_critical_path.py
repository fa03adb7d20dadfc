"""The pieces that an answer waited for: read backwards from the answer, and adding up to the wall time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.ledger.critical_path import critical_path, with_critical_path
from cri_shim.ledger.steps import whole
from cri_shim.ledger.unfinished import UNFINISHED


def record(wall: float, *, hops: Any = (), helpers: Any = (), waits: Any = (), running: bool = False) -> dict[str, Any]:
    """A record of pieces that are (start, duration) or, for those that have not ended, (start, duration, None)."""
    return {
        "running": running,
        "bill": {"wall_ms": wall},
        "hops": [
            {"start_ms": start, "duration_ms": took, "code": UNFINISHED if unfinished else "OK"}
            for start, took, *unfinished in hops
        ],
        "helpers": [
            {"start_ms": start, "duration_ms": took, "exit_code": None if unfinished else 0}
            for start, took, *unfinished in helpers
        ],
        "waits": [{"start_ms": start, "duration_ms": took} for start, took in waits],
    }


def path(*args: Any, **pieces: Any) -> list[tuple[str, int, float, float]]:
    """The steps with their times in milliseconds."""
    return [
        (step.kind, step.place, step.start / 1000, step.duration / 1000)
        for step in whole(critical_path(record(*args, **pieces)))
    ]


def test_one_after_the_other():
    """Everything is on the path, and the daemon's own work fills the gaps."""
    assert path(10.0, hops=[(1.0, 2.0), (4.0, 5.0)]) == [
        ("work", -1, 0.0, 1.0),
        ("hop", 0, 1.0, 2.0),
        ("work", -1, 3.0, 1.0),
        ("hop", 1, 4.0, 5.0),
        ("work", -1, 9.0, 1.0),
    ]


def test_what_ran_beside_something_longer_was_not_waited_for():
    """The CNI plugin ended after the hop beside it, so a quicker hop would have changed nothing."""
    assert path(10.0, hops=[(0.0, 1.0), (1.0, 5.0)], helpers=[(1.0, 8.0)]) == [
        ("hop", 0, 0.0, 1.0),
        ("helper", 0, 1.0, 8.0),
        ("work", -1, 9.0, 1.0),
    ]


def test_what_had_not_ended_was_not_waited_for():
    """Neither a hop nor a helper that was under way when the answer was sent."""
    steps = path(10.0, hops=[(0.0, 4.0), (5.0, 5.0, None)], helpers=[(1.0, 9.0, None)])
    assert steps == [("hop", 0, 0.0, 4.0), ("work", -1, 4.0, 6.0)]


def test_waits_are_waited_for():
    """A lock first, then the end of a process beside the signal that ends it."""
    steps = path(9.0, hops=[(2.0, 1.0)], waits=[(0.0, 2.0), (2.0, 7.0)])
    assert steps == [("wait", 0, 0.0, 2.0), ("wait", 1, 2.0, 7.0)]


def test_start_and_duration_are_rounded_apart():
    """A piece may seem to end a microsecond after the one that followed it began."""
    assert path(3.0, hops=[(0.0, 1.001), (1.0, 2.0)]) == [("hop", 0, 0.0, 1.0), ("hop", 1, 1.0, 2.0)]


@pytest.mark.parametrize("wall", [0.0, 0.25])
def test_an_answer_from_memory_waited_for_the_daemon_alone(wall):
    """One step of own work, or none if it took no time."""
    assert path(wall) == ([("work", -1, 0.0, wall)] if wall else [])


PIECES = st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), max_size=12)


@given(st.integers(0, 10**7), st.tuples(PIECES, PIECES, PIECES))
def test_the_path_adds_up_to_the_wall_time(wall, pieces):
    """Whatever the pieces, its steps lie one after the other from the request to the answer."""
    hops, helpers, waits = ([(start / 1000, took / 1000) for start, took in some] for some in pieces)
    steps = whole(critical_path(record(wall / 1000, hops=hops, helpers=helpers, waits=waits)))
    reached = 0
    for step in steps:
        assert step.start == reached
        assert step.duration > 0
        reached += step.duration
    assert reached == wall


def test_pieces_are_marked_and_the_path_is_beside_them():
    """The record says of each piece whether it is on the path, and has the path itself."""
    marked = whole(with_critical_path(record(10.0, hops=[(0.0, 1.0), (1.0, 5.0)], helpers=[(1.0, 8.0)])))
    assert [hop["critical"] for hop in marked["hops"]] == [True, False]
    assert [helper["critical"] for helper in marked["helpers"]] == [True]
    assert marked["critical_path"][1:] == [
        {"kind": "helper", "place": 0, "start_ms": 1.0, "duration_ms": 8.0},
        {"kind": "work", "place": None, "start_ms": 9.0, "duration_ms": 1.0},
    ]


def test_an_active_request_has_no_path_yet():
    """What its answer will have waited for is not known."""
    marked = whole(with_critical_path(record(10.0, hops=[(0.0, 1.0)], running=True)))
    assert marked["critical_path"] == []
    assert [hop["critical"] for hop in marked["hops"]] == [False]
