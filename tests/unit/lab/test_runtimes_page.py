"""The short tables of docs/performance.md are those of the results that they name."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from cri_shim.bench.results.result_file import load
from lab.measuring.runtimes_page import DOCS, PAGE, table, with_tables

RUN = load(DOCS / "data" / "price.json")


@cache
def price_table() -> str:
    """Its intervals take half a second to draw."""
    return table(RUN, "price")


def test_the_page_has_the_tables_of_its_results():
    """``python -m lab.measuring.runtimes_page`` would change nothing."""
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, DOCS / "data") == page


def test_a_table_has_a_row_for_each_side_and_says_how_to_repeat_it():
    """The first side has numbers with units, the others ratios to it; command, day and versions stand below."""
    text = price_table()
    header, _, plugin, bridge = text.splitlines()[:4]
    assert header.startswith("| side | pod start | pod end | ExecSync |")
    assert re.match(r"\| plugin \| \d+ ms \|", plugin)
    assert re.match(r"\| bridge \| \*\*0\.\d\d\*\* \(0\.\d\d to 0\.\d\d\) \|", bridge)
    assert RUN.command in text
    assert "containerd 1.6.20" in text
    assert "runc version 1.1.5" in text
    assert "(data/price.json)" in text


def test_an_emulated_machine_has_only_ratios():
    """Its times would be taken for those of a real one; the page says why they are missing."""
    emulated = replace(RUN, machine=replace(RUN.machine, cpu="QEMU TCG CPU version 2.5+"))
    text = table(emulated, "price")
    assert text.splitlines()[2].startswith("| plugin | 1 | 1 | 1 |")
    assert text.splitlines()[3] == price_table().splitlines()[3]
    assert "only the ratios count" in text
    assert "only the ratios count" not in price_table()


def test_only_what_stands_between_the_marks_is_replaced():
    """The text around a table is written by hand."""
    page = "before\n<!-- runtimes price: begin -->\nold\n<!-- runtimes price: end -->\nafter\n"
    made = with_tables(page, DOCS / "data")
    assert made.startswith("before\n<!-- runtimes price: begin -->\n| side |")
    assert made.endswith("<!-- runtimes price: end -->\nafter\n")
    assert "old" not in made
    assert with_tables(made, DOCS / "data") == made
