"""The price beside the plugin: parts that add up, and sentences that say no more than the numbers do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from cri_shim.bench.report import document, files
from cri_shim.bench.report.html import to_html
from cri_shim.bench.report.markdown import to_markdown
from cri_shim.bench.report.price import price_rows
from cri_shim.bench.report.price_section import sentences
from cri_shim.bench.report.price_tables import by_rhythm, side_by_side
from cri_shim.bench.report.split import split_of
from tests.unit.bench.made_up import BILL, BUSY, bills, priced, run

NULL = [0.4]
SMALL = {"hops": 0.0, "helpers": 0.0, "own": 8.0}


def rows_of(*arguments, **more):
    return price_rows(priced(*arguments, **more), "bridge")


def said(*arguments, **more):
    return sentences(rows_of(*arguments, **more))


def test_cost_and_saving_are_what_the_parts_say():
    """Price 0.9 + 1.5 + 1.0, less the plugin's null call; saved: what is missing of the plugin's time and that."""
    (row,) = rows_of({"RunPodSandbox": [{}]}, {"RunPodSandbox": [40.0], "Version": NULL})
    assert row.price == pytest.approx(3.4)
    assert row.price_error == pytest.approx(0.3)
    assert row.cost.estimate == pytest.approx(3.0)
    assert row.ours == pytest.approx(9.0)
    assert row.saved.estimate == pytest.approx(40 + 3.0 - 9.0)
    assert row.overlap == pytest.approx(6 + 3 - 7)


def test_the_parts_add_up_to_what_the_client_saw():
    """Over requests that differ, with a hiccup among them, medians would not; and the hiccup is not in it."""
    requests = [{"wall": 8.0 + 0.3 * n, "world": 5.0 + 0.3 * n} for n in range(7)]
    requests.append({"wall": 500.0, "queue": 492.5})
    (row,) = rows_of({"RunPodSandbox": requests}, {"RunPodSandbox": [40.0], "Version": NULL})
    parts = ("front", "transport", "work", "queue", "world", "not_accounted_for")
    assert sum(row.part(name) for name in parts) == pytest.approx(row.ours)
    assert row.ours < 12
    assert sum(split_of(row.parts).values()) == pytest.approx(row.ours)


def test_a_front_hop_estimated_too_long_does_not_lengthen_the_bar():
    """What is not accounted for is negative then; the table shows it, and the bar ends where the client's time does."""
    parts = {**BILL, "not_accounted_for": -0.2, "client": 8.7}
    assert sum(split_of(parts).values()) == pytest.approx(8.7)


def test_a_sum_of_rpcs_is_the_sum_of_their_bills():
    """A pod start costs what its three RPCs cost, less three front hops of the plugin."""
    rpcs = ("RunPodSandbox", "CreateContainer", "StartContainer")
    theirs = {**{rpc: [40.0] for rpc in rpcs}, "pod start": [120.0], "Version": NULL}
    rows = rows_of({rpc: [{}] for rpc in rpcs}, theirs)
    total = next(row for row in rows if row.metric.key == "pod start")
    assert total.price == pytest.approx(3 * 3.4)
    assert total.own_front == pytest.approx(3 * 0.4)
    assert total.saved.estimate == pytest.approx(sum(row.saved.estimate for row in rows if row is not total))


def test_the_sentence_of_the_issue():
    """The hop's cost, and the overlap of CNI with the task, which the bill shows."""
    overlapping = {"hops": 40.0, "helpers": 40.0, "wall": 50.0, "own": 2.0, "world": 47.0}
    (sentence,) = said({"RunPodSandbox": [overlapping]}, {"RunPodSandbox": [86.0], "Version": NULL}, scenario="exec")
    assert sentence == "RunPodSandbox: the hop cost 3.0 ms, overlapping CNI with the task saved 38 ms"


def test_without_overlap_no_overlap_is_claimed():
    """Helpers that ran alone, and none at all: the order of work is all that can be said."""
    (sentence,) = said({"ExecSync": [SMALL]}, {"ExecSync": [20.0], "Version": NULL}, scenario="exec")
    assert sentence == "ExecSync: the hop cost 3.0 ms, a different order of work saved 14 ms"


def test_an_overlap_that_explains_a_part_is_named_with_its_length():
    """2 ms side by side are not the cause of 17 ms."""
    (sentence,) = said({"RunPodSandbox": [{}]}, {"RunPodSandbox": [23.0], "Version": NULL}, scenario="exec")
    assert "overlapping CNI with the task (2.0 ms side by side) and a different order of work saved 17 ms" in sentence


def test_more_time_is_said_to_be_more():
    """Where the bridge takes longer than its price explains, the sentence does not call that a saving."""
    (sentence,) = said({"ExecSync": [{}]}, {"ExecSync": [4.0], "Version": NULL}, scenario="exec")
    assert sentence == "ExecSync: the hop cost 3.0 ms, and 2.0 ms more went into a different order of work"
    waited = {"queue": 4.5, "world": 1.0}
    (sentence,) = said({"ExecSync": [waited]}, {"ExecSync": [4.0], "Version": NULL}, scenario="exec")
    assert sentence.endswith("and 2.0 ms more went into waiting for its own limits and locks")
    outside = {"queue": 0.0, "world": 2.0, "wall": 4.5, "not_accounted_for": 3.6}
    (sentence,) = said({"ExecSync": [outside]}, {"ExecSync": [4.0], "Version": NULL}, scenario="exec")
    assert sentence.endswith("and 2.0 ms more went into what the bill does not account for")


def test_what_is_inside_the_noise_is_called_so():
    """Rounds that differ to both sides, and a difference smaller than the error of the estimate."""
    (sentence,) = said({"ListPodSandbox": [{}]}, {"ListPodSandbox": [6.1], "Version": NULL}, scenario="calls")
    assert "what the order of work gave back is inside the noise (-0.20 to 0.40 ms)" in sentence
    noisy = priced({"ExecSync": [{}]}, {"ExecSync": [20.0], "Version": NULL}, scenario="exec")
    step = noisy.steps[0]
    rounds = tuple(
        structs.replace(
            one,
            side_runs=one.side_runs
            | {
                "plugin": replace(one.side_runs["plugin"], samples={"ExecSync": [6 + (-1) ** n * 5.0], "Version": NULL})
            },
        )
        for n, one in enumerate(step.rounds)
    )
    (sentence,) = sentences(price_rows(replace(noisy, steps=(replace(step, rounds=rounds),)), "bridge"))
    assert "inside the noise" in sentence
    assert "saved" not in sentence


def test_a_cost_smaller_than_its_error_is_inside_the_noise():
    """The plugin's null call takes nearly what the bridge's price is."""
    (sentence,) = said({"Version": [{}]}, {"Version": [3.3]}, scenario="calls")
    assert sentence.startswith("Version: what the hop cost is inside the noise (-0.20 to 0.40 ms)")


def test_few_rounds_and_a_busy_machine_are_said():
    """The numbers stand, and beside them why they are no verdict."""
    arguments: Any = ({"ExecSync": [{}]}, {"ExecSync": [20.0], "Version": NULL})
    assert said(*arguments, scenario="exec", count=2)[0].endswith("(2 rounds are too few to tell it from noise)")
    assert said(*arguments, scenario="exec", probe=BUSY)[0].endswith("(the machine was not quiet: no verdict)")


def test_a_front_hop_that_is_not_known_is_not_taken_off():
    """Without a null call of the plugin the cost is the whole price, and the sentence says so."""
    (row,) = rows_of({"ExecSync": [{}]}, {"ExecSync": [20.0]}, scenario="exec")
    assert row.cost.estimate == pytest.approx(row.price)
    assert "the hop cost 3.4 ms, plugin's own front hop, which is not known, included" in sentences([row])[0]


@pytest.mark.parametrize(
    ("more", "missing"),
    [({"front_known": "none"}, "front hop"), ({"split": "none"}, "transport")],
)
def test_a_price_with_a_part_missing_is_none(more, missing):
    """What is not known is not taken for nothing: there is no cost then, and no saving."""
    made: Any = ({"ExecSync": [{}]}, {"ExecSync": [20.0], "Version": NULL})
    (sentence,) = said(*made, scenario="exec", **more)
    expected = f"the hop cost is not known, because its {missing} is not; the whole took 11 ms less than plugin"
    assert sentence == f"ExecSync: what {expected}"
    assert "3.40" not in to_markdown(document.document(priced(*made, scenario="exec", **more)), "x")


def test_a_read_has_no_transport_to_be_unknown():
    """A request without hops has no share of containerd, and its price is whole."""
    read = dict.fromkeys(("hop_count", "hops", "transport", "transport_error"), 0.0)
    (row,) = rows_of({"Version": [read]}, {"Version": NULL}, scenario="calls", split="none")
    assert not row.unknown
    assert row.price == pytest.approx(1.9)


def test_a_front_hop_is_no_longer_than_the_whole():
    """Null calls that were disturbed do not make the first side's front hop longer than the call it is a part of."""
    (row,) = rows_of({"ImageStatus": [{}]}, {"ImageStatus": [0.5], "Version": [1.7]})
    assert row.own_front == pytest.approx(0.5)
    assert row.cost.estimate == pytest.approx(3.4 - 0.5)


def test_null_calls_for_other_rpcs_have_no_line_in_the_price_table():
    """In `calls` Version is one of the calls; elsewhere it was made to know the front hop."""
    for scenario, lines in (("exec", ["ExecSync"]), ("calls", ["ExecSync", "Version"])):
        made = rows_of({"ExecSync": [{}], "Version": [{}]}, {"ExecSync": [20.0], "Version": NULL}, scenario=scenario)
        assert [row[0] for row in by_rhythm(made).rows] == lines
        assert [row[0] for row in side_by_side(made).rows] == ["ExecSync", "Version"]


def test_where_the_rest_of_a_pod_start_is_paid():
    """RunPodSandbox answers early; only the pod start has all of it."""
    rpcs = ("RunPodSandbox", "StartContainer")
    theirs = {**{rpc: [40.0] for rpc in rpcs}, "pod start": [80.0], "Version": NULL}
    first, second, total = said({rpc: [{}] for rpc in rpcs}, theirs)
    assert "StartContainer waits for that" in first
    assert "what RunPodSandbox left to be done" in second
    assert ";" not in total


def test_how_each_part_is_known_is_beside_it():
    """Estimates have their error and the word, measurements the word, what is not known has no number."""

    theirs = {"ExecSync": [20.0], "Version": NULL}

    def table(bill: dict[str, float], **more: Any) -> str:
        made = priced({"ExecSync": [bill]}, theirs, scenario="exec", **more)
        return to_markdown(document.document(made), "x").split("## A step")[1]

    measured = "| 0.90 ± 0.10 meas. | 1.50 ± 0.20 est. | 1.00 (0.70 + 0.30) | 0.50 | 5.00 | 0.10 |"
    assert measured in table({})
    assert "| 0.90 ± 0.10 est. | 1.50 ± 0.20 spans |" in table({}, split="spans", front_known="estimate")
    nothing = dict.fromkeys(("front", "front_error", "transport", "transport_error"), 0.0)
    assert "| not known | not known |" in table(nothing, split="none", front_known="none")


def test_mixed_ways_of_knowing_are_called_mixed():
    """Some hops by spans, some by an estimate."""
    made = priced({"ExecSync": [{}]}, {"ExecSync": [20.0], "Version": NULL}, scenario="exec")
    step = made.steps[0]
    other = replace(step.rounds[0].side_runs["bridge"], bills={"ExecSync": bills({}, split="spans")})
    one = structs.replace(step.rounds[0], side_runs=step.rounds[0].side_runs | {"bridge": other})
    (row,) = price_rows(replace(made, steps=(replace(step, rounds=(one, *step.rounds[1:])),)), "bridge")
    assert row.split == "mixed"


def test_terminal_page_and_markdown_say_the_same():
    """The sentence and the parts are in all three."""
    made = priced({"ExecSync": [{}]}, {"ExecSync": [20.0], "Version": NULL}, scenario="exec")
    (sentence,) = sentences(price_rows(made, "bridge"))
    blocks = document.document(made)
    for text in (files.short(made), to_html(blocks), " ".join(to_markdown(blocks, "x").split())):
        assert sentence in text
        assert "1.50 ± 0.20 est." in text
        assert "not accounted for" in text


def test_a_batch_has_no_price_beside_the_plugin():
    """Its requests stand in each other's way, so a difference is not the order of one request's work."""
    assert price_rows(run(0.8), "bridge") == []
    assert "saved" not in files.short(run(0.8))


def test_a_side_without_bills_has_no_price():
    """Nothing is known of what another runtime's time was made of."""
    assert price_rows(priced({"ExecSync": [{}]}, {"ExecSync": [20.0]}, scenario="exec"), "plugin") == []
