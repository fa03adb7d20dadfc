"""CPU time per second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cri_shim.stats.rate import LONGEST_NS, SHORTEST_NS, CpuHistory

SECOND = 1_000_000_000


def test_the_first_reading_has_no_rate():
    """Without a reading before there is no rate; 0 would say that the container sleeps."""
    assert CpuHistory().add(5 * SECOND, 3 * SECOND) is None


def test_two_readings():
    """Half a second of CPU time in two seconds is a quarter of a core."""
    history = CpuHistory()
    history.add(0, 7 * SECOND)
    assert history.add(2 * SECOND, 7 * SECOND + SECOND // 2) == SECOND // 4


def test_readings_in_quick_succession_keep_the_older_base():
    """A caller that asks all the time still gets a rate over at least a second."""
    history = CpuHistory()
    rates = [history.add(tick * SECOND // 10, tick * SECOND // 10) for tick in range(40)]
    assert rates[:10] == [None] * 10
    assert set(rates[10:]) == {SECOND}


def test_an_average_over_a_long_time_is_none():
    """A base from long ago says nothing of now."""
    history = CpuHistory()
    history.add(0, 0)
    assert history.add(LONGEST_NS + 1, SECOND) is None


def test_a_counter_that_falls_starts_anew():
    """A smaller counter is another cgroup: no rate from it, and none from before it."""
    history = CpuHistory()
    history.add(0, 9 * SECOND)
    assert history.add(2 * SECOND, SECOND) is None
    assert history.add(4 * SECOND, 2 * SECOND) == SECOND // 2


@given(st.lists(st.integers(1, 30 * SECOND), min_size=2, max_size=50), st.integers(0, 64))
def test_a_steady_load_is_seen_as_it_is(steps, cores):
    """However readings are spaced, a load that does not change gives its own rate, or none."""
    history, at, seen = CpuHistory(), 0, 0
    for step in steps:
        at += step
        rate = history.add(at, at * cores)
        if rate is not None:
            seen += 1
            assert rate == cores * SECOND
    assert seen > 0 or at - steps[0] < 2 * SHORTEST_NS
