"""Measurements in the guest: their arguments are valid, and what they leave gets out."""

from __future__ import annotations

import pytest

from lab.compare import planned
from tests.guest.run import keep_measured
from tests.guest.suites import RESULTS, SUITES

COMPARISONS = [suite for suite in SUITES if suite.module == "lab.compare"]


@pytest.mark.parametrize("suite", COMPARISONS, ids=lambda suite: suite.name)
def test_a_comparison_leaves_its_result_where_it_is_collected(suite):
    """Under the suite's name; all arguments are known to the command."""
    plan = planned(suite.arguments)
    assert plan.options.output == RESULTS / f"{suite.name}.json"
    assert list(plan.bridges) == ["bridge", "pinned"]
    assert not plan.pulls
    assert not suite.always


def test_only_results_are_kept(tmp_path):
    """Exit codes and reports of pytest are in the summary."""
    results, target = tmp_path / "results", tmp_path / "kept"
    results.mkdir()
    for name in ("comparison.json", "comparison.code", "units.xml"):
        (results / name).write_text(name)
    assert keep_measured(results, target) == [target / "comparison.json"]
    assert (target / "comparison.json").read_text() == "comparison.json"
