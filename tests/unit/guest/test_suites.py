"""Measurements in the guest: their arguments are valid, and what they leave gets out."""

from __future__ import annotations

import pytest

from lab.compare import planned
from tests.guest.errors import GuestError
from tests.guest.packages import given_kubelet
from tests.guest.run import CHECKOUT, keep_measured
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


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_the_files_of_a_suite_exist(suite):
    """And the tests that it names in them."""
    for word in suite.arguments:
        if word.startswith("tests/"):
            path, _, name = word.partition("::")
            assert (CHECKOUT / path).exists()
            assert not name or f"def {name}(" in (CHECKOUT / path).read_text()


def test_a_kubelet_has_to_be_given(monkeypatch, tmp_path):
    """Without one, and with another program, there is no guest: it would test nothing."""
    for name in (None, tmp_path / "none", tmp_path / "other"):
        (tmp_path / "other").touch()
        monkeypatch.setenv("GUEST_KUBELET", "" if name is None else str(name))
        with pytest.raises(GuestError, match="GUEST_KUBELET="):
            given_kubelet()
    program = tmp_path / "kubelet"
    program.touch()
    monkeypatch.setenv("GUEST_KUBELET", str(program))
    assert given_kubelet() == program


def test_only_results_are_kept(tmp_path):
    """Exit codes and reports of pytest are in the summary."""
    results, target = tmp_path / "results", tmp_path / "kept"
    results.mkdir()
    for name in ("comparison.json", "comparison.code", "units.xml"):
        (results / name).write_text(name)
    assert keep_measured(results, target) == [target / "comparison.json"]
    assert (target / "comparison.json").read_text() == "comparison.json"
