"""The check that both sides did the same work."""

from __future__ import annotations

import pytest

from cri_shim.bench.parity import parity
from cri_shim.bench.parity.parity import NotTheSameError, compare, require_same

SAME = {"mounts": {"/proc": "proc rw", "/dev": "tmpfs rw"}, "reachability": {"from the node": "answered"}}


def test_equal_facts_are_counted():
    """What is the same on both sides is told by kind."""
    assert compare({"a": SAME, "b": SAME}).facts == {"mounts": 2, "reachability": 1}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("mounts", "/proc", "proc ro"), ("mounts", "/extra", "tmpfs rw"), ("cgroup values", "memory.max", "max")],
)
def test_any_difference_is_kept(kind, name, value):
    """Another value, one that is there on one side only, a kind that the other has not."""
    other = {**SAME, kind: {**SAME.get(kind, {}), name: value}}
    (difference,) = compare({"a": SAME, "b": other}).differences
    assert (difference.kind, difference.name) == (kind, name)
    assert difference.values["b"] == value
    assert difference.values["a"] in {"proc rw", "(not there)"}


def test_a_difference_refuses_the_run_for_those_who_ask_for_that():
    """The error names each of them; equal sides pass."""
    require_same(compare({"a": SAME, "b": SAME}))
    with pytest.raises(NotTheSameError, match=r"mounts of /proc: a: proc rw; b: proc ro"):
        require_same(compare({"a": SAME, "b": {**SAME, "mounts": {**SAME["mounts"], "/proc": "proc ro"}}}))


def test_two_sides_whose_pods_are_not_reached_are_not_the_same_work():
    """Failing in the same way is a difference from what was asked for."""
    deaf = {**SAME, "reachability": {"from the node": "no answer"}}
    (difference,) = compare({"a": deaf, "b": deaf}).differences
    assert difference.values == {"a": "no answer", "b": "no answer"}


def test_of_long_values_only_the_lines_that_differ_are_kept():
    """A file of many lines that differs in one is told by that line; each value stays on one line, and bounded."""
    a = "\n".join(f"line {number}" for number in range(100))
    (difference,) = compare(
        {"a": {"files": {"/f": a}}, "b": {"files": {"/f": a.replace("line 7\n", "line\x1b 7\nmore\n")}}}
    ).differences
    assert difference.values == {"a": "line 7", "b": "line\\x1b 7 / more"}
    (difference,) = compare({"a": {"files": {"/f": "x" * 5000}}, "b": {"files": {"/f": ""}}}).differences
    assert len(difference.values["a"]) < 400
    assert difference.values["b"] == "(empty)"


def test_lines_in_another_order_are_a_difference():
    """Although each side has all lines of the other."""
    (difference,) = compare({"a": {"files": {"/f": "1\n2"}}, "b": {"files": {"/f": "2\n1"}}}).differences
    assert difference.values == {"a": "1 / 2", "b": "2 / 1"}


def test_a_known_difference_is_reported_and_does_not_fail(monkeypatch):
    """A difference that does no work is named in the result."""
    monkeypatch.setitem(parity.TOLERATED, ("mounts", "/proc"), "for a reason")
    comparison = compare({"a": SAME, "b": {**SAME, "mounts": {**SAME["mounts"], "/proc": "proc ro"}}})
    assert comparison.tolerated == ("for a reason",)
