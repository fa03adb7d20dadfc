"""Any number of sides is reported; those that do other work than the first one stand apart, with all their numbers."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from msgspec import structs

from cri_shim.bench.parity.parity import compare
from cri_shim.bench.report import document, files, two_runs
from cri_shim.bench.report.blocks import Heading, Picture, Table
from cri_shim.bench.report.html import to_html
from cri_shim.bench.report.markdown import to_markdown
from cri_shim.bench.report.views import other_sides, views
from cri_shim.bench.results.result_file import load, save
from cri_shim.bench.results.schema import Difference, Run
from tests.unit.bench.made_up import SIDES, run

SECCOMP = "process", "Seccomp"
FIRST = ("what", "idle pods")
"""How the head of a table of the first page begins."""


def with_sides(count: int, odd: tuple[str, ...] = ()) -> Run:
    """A batch and a steady state on so many sides, all made of the bridge's numbers; ``odd`` have no seccomp filter."""
    whole = run(0.8, 0.9)
    names = ["plugin", "bridge", *(f"side{number}" for number in range(2, count))][:count]
    sides = tuple(replace(SIDES[min(number, 1)], name=name) for number, name in enumerate(names))

    def grown(one):
        first, bridge = one.side_runs["plugin"], one.side_runs["bridge"]
        side_runs = {name: bridge if number else first for number, name in enumerate(names)}
        return structs.replace(one, order=tuple(names), side_runs=side_runs)

    steps = tuple(replace(step, rounds=tuple(map(grown, step.rounds))) for step in whole.steps)
    facts = {name: {SECCOMP[0]: {SECCOMP[1]: "0" if name in odd else "2"}} for name in names}
    return replace(whole, sides=sides, steps=steps, parity=compare(facts))


def main_tables(shown: Run) -> list[Table]:
    """The tables of the first page."""
    return [block for block in document.document(shown) if isinstance(block, Table) and block.head[:2] == FIRST]


@pytest.mark.parametrize("count", [1, 2, 3, 6, 10, 14])
def test_any_number_of_sides_is_reported(count):
    """Each has its column and its ratio, in every form, and every picture is whole."""
    shown = with_sides(count)
    (table,) = main_tables(shown)
    for side in shown.sides:
        assert f"{side.name}, p50" in table.head
    for side in shown.sides[1:]:
        assert f"{side.name} / plugin" in table.head
        assert re.search(rf"\b{side.name} +\d", files.short(shown))
    blocks = document.document(shown)
    assert to_html(blocks)
    for picture in (block for block in blocks if isinstance(block, Picture)):
        assert ET.fromstring(picture.content).get("aria-label")
        assert all(side.name in picture.content for side in shown.sides) or picture.name.startswith("ratios")


def test_a_side_that_does_other_work_is_in_no_ranking_with_the_others():
    """It has a section of its own, beside the first side: what it does, its table, its ratios, and so for each step."""
    shown = with_sides(4, odd=("side3",))
    ranked, apart = main_tables(shown)
    assert [head for head in ranked.head if head.endswith(", p50")] == ["plugin, p50", "bridge, p50", "side2, p50"]
    assert [head for head in apart.head if head.endswith(", p50")] == ["plugin, p50", "side3, p50"]
    assert len(apart.rows) == len(ranked.rows)
    blocks = document.document(shown)
    assert Heading(2, "Sides that do other work than plugin") in blocks
    assert other_sides(shown) == {"side3": "process (Seccomp)"}
    names = [block.name for block in blocks if isinstance(block, Picture)]
    assert len(names) == len(set(names))
    assert {"batch-times", "batch-apart-times", "ratios-apart", "steady-at-10-apart-memory"} <= set(names)
    for text in (to_markdown(blocks, "pictures"), to_html(blocks)):
        assert "process (Seccomp)" in text
        assert text.count("Apart, because they do other work than plugin: side3.") == 2


def test_its_numbers_are_not_left_out():
    """Every row of the first page, with ratio and verdict."""
    together, apart = with_sides(3), with_sides(3, odd=("side2",))
    (table,) = main_tables(together)
    (_, own) = main_tables(apart)
    at = {name: table.head.index(name) for name in ("side2, p50", "side2 / plugin")}
    own_at = {name: own.head.index(name) for name in at}
    for row, own_row in zip(table.rows, own.rows, strict=True):
        assert [row[at[name]] for name in at] == [own_row[own_at[name]] for name in at]


def test_the_terminal_says_so_too():
    """First the ranking, then a line for each side apart, then its numbers."""
    said = files.short(with_sides(3, odd=("side2",)))
    before, after = said.split("apart, because they do other work than plugin:\n")
    assert "side2" not in before
    assert "bridge" in before
    assert after.startswith("  side2: process (Seccomp)\n")
    assert re.search(r"plugin +\S+ +side2 +\S+", after)


def test_the_result_names_them(tmp_path):
    """A reader of the JSON need not compare the facts."""
    save(tmp_path / "r.json", with_sides(3, odd=("side2",)))
    parity = load(tmp_path / "r.json").parity
    assert parity is not None
    assert parity.other_work == {"side2": ["process: Seccomp"]}


def test_where_all_do_other_work_the_first_one_is_not_ranked_alone():
    """There is one table, with all of them."""
    shown = with_sides(2, odd=("bridge",))
    (table,) = main_tables(shown)
    assert "bridge / plugin" in table.head
    assert "There is one side only" not in to_markdown(document.document(shown), "pictures")
    assert files.short(shown).startswith("\napart, because they do other work than plugin:\n")


def test_a_side_apart_that_takes_no_part_in_a_step_is_not_shown_in_it():
    """The step has the others, and the reason."""
    shown = with_sides(3, odd=("side2",))
    step = shown.steps[0]
    rounds = tuple(
        structs.replace(one, side_runs={name: each for name, each in one.side_runs.items() if name != "side2"})
        for one in step.rounds
    )
    lacking = replace(shown, steps=(replace(step, rounds=rounds, left_out={"side2": "it cannot"}), *shown.steps[1:]))
    names = {block.name for block in document.document(lacking) if isinstance(block, Picture)}
    assert "batch-apart-times" not in names
    assert "steady-at-10-apart-times" in names
    assert "side2 takes no part in this: it cannot" in files.short(lacking)


def test_a_difference_without_the_first_side_apart_needs_no_second_view():
    """Where no fact differs there is one group."""
    (view,) = views(with_sides(5))
    assert not view.apart
    assert len(view.run.sides) == 5


def test_two_runs_show_the_change_of_every_side():
    """Not only that of the last one."""
    before = with_sides(4)
    text = to_markdown(two_runs.document(before, before), "pictures")
    for side in before.sides[1:]:
        assert f"{side.name} / plugin before" in text
        assert f"## {side.name}\n" in text


def test_a_name_in_a_difference_stays_text():
    """What a runtime says is shown, and read as nothing else."""
    whole = run(0.8)
    assert whole.parity is not None
    values = {"plugin": "CRI", "bridge": "<b>`x`</b> **y**"}
    odd = replace(whole, parity=replace(whole.parity, differences=(Difference("log lines", "format", values),)))
    page = to_html(document.document(odd))
    assert "<b>" not in page
    assert "<strong>y" not in page
