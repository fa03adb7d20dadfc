"""What may be said of two sides, and when nothing may."""

from __future__ import annotations

from cri_shim.bench.verdicts.verdict import FASTER, REFUSED, SAME, SLOWER, judge
from tests.unit.bench.made_up import BUSY, side_run

TEN = [10.0, 10.2, 9.9, 10.1, 10.0, 9.8]


def test_less_is_faster_and_more_is_slower():
    """The interval lies wholly on one side of 1."""
    assert judge([each * 0.8 for each in TEN], TEN, [side_run(1)]).word == FASTER
    assert judge([each * 1.2 for each in TEN], TEN, [side_run(1)]).word == SLOWER


def test_an_interval_around_one_is_no_difference():
    """Ratios on both sides of 1 within a narrow range."""
    verdict = judge([10.1, 10.1, 10.0, 10.0, 10.1, 9.7], TEN, [side_run(1)])
    assert verdict.word == SAME
    assert verdict.ratio.low <= 1 <= verdict.ratio.high


def test_noise_forbids_a_verdict_that_the_numbers_would_give():
    """However clear the ratio, a busy machine has no verdict, and the reason is told."""
    verdict = judge([each * 0.5 for each in TEN], TEN, [side_run(1, BUSY)])
    assert verdict.word == REFUSED
    assert "something else had the cores" in verdict.reasons[0]


def test_three_pairs_are_too_few():
    """An interval of three rounds is none."""
    verdict = judge([5.0, 5.0, 5.0], [10.0, 10.0, 10.0], [side_run(1)])
    assert verdict.word == REFUSED
    assert "3 pairs are too few" in verdict.reasons[0]


def test_a_wide_interval_with_one_in_it_says_nothing():
    """Not having seen a difference with so wide an interval is not having looked."""
    verdict = judge([5.0, 20.0, 4.0, 30.0, 9.0, 11.0], [10.0] * 6, [side_run(1)])
    assert verdict.word == REFUSED
    assert "wide" in verdict.reasons[0]
