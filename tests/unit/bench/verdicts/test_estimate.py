"""Medians, percentiles and intervals, against cases whose answers are known."""

from __future__ import annotations

import random
import statistics

import pytest

from cri_shim.bench.verdicts.estimate import bootstrap_median, distribution, paired_ratio, percentile


def test_percentiles_interpolate_like_the_standard_library():
    """Any percentile is that of the inclusive method."""
    values = [random.Random(number).uniform(0, 100) for number in range(37)]
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    for share in (1, 5, 25, 50, 75, 95, 99):
        assert percentile(values, share / 100) == pytest.approx(cuts[share - 1])


def test_no_values_have_no_percentile():
    """Nothing is not zero."""
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_distribution_knows_its_ends():
    """The ends are the smallest and the largest value, and the count is how many there were."""
    result = distribution([3.0, 1.0, 2.0])
    assert (result.count, result.low, result.p50, result.high) == (3, 1.0, 2.0, 3.0)


def test_equal_ratios_have_no_width():
    """Where every round says the same, so does the interval."""
    ratio = paired_ratio([2.0, 4.0, 6.0, 8.0], [1.0, 2.0, 3.0, 4.0])
    assert (ratio.estimate, ratio.low, ratio.high, ratio.width, ratio.pairs) == (2.0, 2.0, 2.0, 0.0, 4)


def test_pairs_cancel_what_hits_both():
    """A drift that slows both sides threefold does not widen the ratio, as it would without pairs."""
    drift = [1 + number / 10 for number in range(20)]
    ratio = paired_ratio([9 * each for each in drift], [10 * each for each in drift])
    assert ratio.estimate == pytest.approx(0.9)
    assert ratio.width < 1e-9


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Of 200 experiments with a true median of 1, between 88 % and 100 % of the intervals contain it."""
    held = 0
    for experiment in range(200):
        draw = random.Random(experiment)
        interval = bootstrap_median([draw.gauss(1, 0.2) for _ in range(15)])
        held += interval.low <= 1 <= interval.high
    assert 176 <= held <= 200


def test_more_rounds_narrow_the_interval():
    """Sixteen times the rounds make it much narrower, on average of ten experiments."""
    few = many = 0.0
    for experiment in range(10):
        draw = random.Random(experiment)
        values = [draw.gauss(1, 0.1) for _ in range(160)]
        few += bootstrap_median(values[:10]).width
        many += bootstrap_median(values).width
    assert many < few / 2


def test_the_same_rounds_give_the_same_interval():
    """A report made again is the same report."""
    values = [1.0, 1.2, 0.9, 1.4, 1.1]
    assert bootstrap_median(values) == bootstrap_median(values)


@pytest.mark.parametrize(("ours", "theirs"), [([1.0], [1.0, 2.0]), ([], []), ([1.0], [0.0])])
def test_what_makes_no_pairs_is_refused(ours, theirs):
    """Unequal counts, nothing, and a ratio to nothing."""
    with pytest.raises(ValueError, match=r"pairs|nothing"):
        paired_ratio(ours, theirs)
