"""The check that both sides did the same work."""

from __future__ import annotations

import pytest

from cri_shim.bench import parity
from cri_shim.bench.parity import NotTheSameError, compare

SAME = {"mounts": {"/proc": "proc rw", "/dev": "tmpfs rw"}, "reachability": {"from the node": "answered"}}


def test_equal_facts_are_counted():
    """What is the same on both sides is told by kind."""
    assert compare({"a": SAME, "b": SAME}).facts == {"mounts": 2, "reachability": 1}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("mounts", "/proc", "proc ro"), ("mounts", "/extra", "tmpfs rw"), ("cgroup values", "memory.max", "max")],
)
def test_any_difference_fails_and_is_told(kind, name, value):
    """Another value, one that is there on one side only, a kind that the other has not."""
    other = {**SAME, kind: {**SAME.get(kind, {}), name: value}}
    with pytest.raises(NotTheSameError) as failed:
        compare({"a": SAME, "b": other})
    (told,) = failed.value.differences
    assert kind in told
    assert name in told
    assert value in told


def test_two_sides_that_nobody_reaches_are_not_the_same_work():
    """Both failing in the same way is no reason to go on."""
    deaf = {**SAME, "reachability": {"from the node": "no answer"}}
    with pytest.raises(NotTheSameError, match="no answer"):
        compare({"a": deaf, "b": deaf})


def test_a_known_difference_is_told_and_does_not_fail(monkeypatch):
    """A difference that does no work is named in the result."""
    monkeypatch.setitem(parity.TOLERATED, ("mounts", "/proc"), "for a reason")
    found = compare({"a": SAME, "b": {**SAME, "mounts": {**SAME["mounts"], "/proc": "proc ro"}}})
    assert found.tolerated == ("for a reason",)
