"""A side that does other work than the first one is named, with what that is."""

from __future__ import annotations

from dataclasses import replace

from cri_shim.bench.parity import other_work
from cri_shim.bench.parity.parity import compare
from cri_shim.bench.results.schema import Parity
from tests.unit.bench.made_up import SIDES, run

FACTS = {
    "pod process": {"": "/pause (sha256 0123)"},
    "process": {"Seccomp": "2", "Groups": "0"},
    "log lines": {"format": "CRI"},
    "reachability": {"from the node": "answered"},
}


def other(**kinds: dict[str, str]) -> dict[str, dict[str, str]]:
    """The facts with some changed; an underscore stands for a space."""
    changed = {kind.replace("_", " "): its for kind, its in kinds.items()}
    return {kind: its | changed.get(kind, {}) for kind, its in FACTS.items()}


def test_only_the_sides_that_differ_from_the_first_are_named():
    """Each with the kinds and names of the facts, in the result as well."""
    checked = compare(
        {
            "plugin": FACTS,
            "bridge": FACTS,
            "pinned": other(pod_process={"": "none"}),
            "bare": other(process={"Seccomp": "0"}, log_lines={"format": "no file at the requested path"}),
        }
    )
    assert checked.other_work == {"pinned": ["pod process"], "bare": ["log lines: format", "process: Seccomp"]}


def test_two_sides_that_differ_from_each_other_and_not_from_the_first_cannot_be():
    """It is the first one that all are compared with: when it is the odd one, all others do other work."""
    checked = compare({"bare": other(process={"Seccomp": "0"}), "plugin": FACTS, "bridge": FACTS})
    assert set(checked.other_work) == {"plugin", "bridge"}


def test_a_pod_that_cannot_be_reached_is_other_work_even_if_the_first_one_cannot_either():
    """What was asked for was not done."""
    deaf = other(reachability={"from the node": "no answer"})
    assert compare({"a": deaf, "b": deaf}).other_work == {"b": ["reachability: from the node"]}


def test_what_it_does_otherwise_is_one_line_with_the_values_that_say_most_first():
    """Of a mount or a file the name is enough; the table has the values."""
    changed = other(pod_process={"": "none"}, process={"Seccomp": "0", "Groups": ""}, log_lines={"format": "Docker's"})
    checked = compare({"plugin": FACTS, "bare": changed})
    differing = other_work.facts_that_differ(checked.differences, "plugin", "bare")
    said = other_work.in_words(differing, "bare")
    assert said == "pod process: none; log lines: format Docker's; process (Groups, Seccomp)"


def test_an_older_result_of_pinned_pods_shows_that_in_the_configuration():
    """It was measured before the process of a pod was a fact; a result that has the fact needs no guess."""
    pinned = replace(SIDES[1], configuration='{"sandbox": {"infra": "pinned"}}')
    old = replace(run(0.8), sides=(SIDES[0], pinned))
    (difference,) = other_work.of_run(old)["bridge"]
    assert (difference.kind, difference.values) == ("pod process", {"plugin": "one", "bridge": "none"})
    assert other_work.of_run(replace(old, parity=Parity(1.0, {"pod process": 1}))) == {}
    assert other_work.of_run(run(0.8)) == {}
    assert other_work.of_run(replace(old, parity=None)) == {}
    assert other_work.of_run(replace(old, sides=(SIDES[0], replace(pinned, configuration="not JSON")))) == {}
