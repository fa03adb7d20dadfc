"""Figures in the text of pages are those of the results in docs/data; others have a source."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from cri_shim.bench.verdicts.estimate import Interval
from cri_shim.bench.verdicts.verdict import Verdict
from lab.measuring.figures import DOCS, FIGURE, FigureError, Results, claim_of, figure, pages, with_figures

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = Results(DOCS / "data")
MEASURED = re.compile(r"\b\d[\d.]*\s?(?:ns|µs|ms|s|seconds|KiB|MiB|MB|GiB|GB|%)(?!\w)")
"""A number with a unit in which something may have been measured."""
MADE = re.compile(r"^<!-- (.+): begin -->\n.*?^<!-- \1: end -->$", re.DOTALL | re.MULTILINE)
"""Tables that a command makes; a test of its own holds each kind to its results."""
CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
SOURCE = re.compile(r"\]\(https?://")
CHOSEN = re.compile(r"64 KiB of them|every 100 ms|two seconds|every ten seconds")
"""Sizes and times that a program or a page has chosen, which are not measured."""
STORIES = [DOCS / "evolution.md", DOCS / "claims.md", DOCS / "crictl.md"]


def paragraphs(page: str) -> list[str]:
    """Return the paragraphs and rows of tables that are written by hand, without the figures that are made."""
    text = CODE.sub("", MADE.sub("", FIGURE.sub("", page)))
    return [part for block in text.split("\n\n") for part in (block.splitlines() if block.startswith("|") else [block])]


def without_a_source(page: str) -> list[str]:
    """Return the numbers with units that are neither made from a result, nor beside a link to where they come from."""
    numbers = []
    for part in paragraphs(page):
        if not SOURCE.search(part):
            numbers += MEASURED.findall(CHOSEN.sub("", part))
    return numbers


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_figures_of_a_page_are_those_of_the_results(page: Path) -> None:
    """``python -m lab.measuring.figures`` would change nothing."""
    text = page.read_text(encoding="utf-8")
    assert with_figures(text, RESULTS) == text


@pytest.mark.parametrize("page", STORIES, ids=lambda page: page.name)
def test_each_number_of_a_story_is_made_or_has_a_source(page: Path) -> None:
    """Between marks, or in a paragraph with the address of its source."""
    assert without_a_source(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", sorted((DOCS / "lab").glob("*.md")), ids=lambda page: page.name)
def test_tables_of_exercises_have_no_numbers_of_other_machines(page: Path) -> None:
    """A reader sees those of their own; what a page expects stands in a block, with ``…`` for them."""
    rows = [part for part in paragraphs(page.read_text(encoding="utf-8")) if part.startswith("|")]
    assert [number for row in rows for number in MEASURED.findall(row)] == []


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It took 12 ms.", ["12 ms"]),
        ("It took 12 ms ([measured](https://example.org/a)).", []),
        ("<!-- some table: begin -->\n| 4 ms |\n<!-- some table: end -->", []),
        ("It took <!-- figure a; b; c; d -->12 ms<!-- end -->, and 3 MiB.", ["3 MiB"]),
        ("| a | 4 % |\n| [b](https://example.org/b) | 5 % |", ["4 %"]),
        ("```\n12 ms\n```\n\nIt looks every 100 ms.", []),
    ],
)
def test_a_number_without_a_source_would_be_noticed(text: str, numbers: list[str]) -> None:
    """In a page of its own."""
    assert without_a_source(text) == numbers


def test_the_forms_of_a_figure() -> None:
    """Medians with units, ratios with their intervals and words, changes, claims, processes, parts of bills."""
    run = "architectures"
    assert re.fullmatch(r"[\d.]+ ms", figure(f"{run}; life; pod start; plugin", RESULTS))
    assert re.fullmatch(
        r"\d\.\d\d \(\d\.\d\d to \d\.\d\d\)", figure(f"{run}; life; pod start; bridge / plugin", RESULTS)
    )
    assert re.fullmatch(r"[+−]\d+ %", figure(f"{run}; batch; rss daemons; plugin / cri-dockerd; change", RESULTS))
    assert figure(f"{run}; life; pod start; cri-dockerd / plugin; claim", RESULTS) == "repeated"
    assert figure(f"{run}; life; pod start; bridge / plugin; claim", RESULTS) == "refuted"
    assert re.fullmatch(r"\d+ MiB", figure(f"{run}; batch; rss dockerd; cri-dockerd", RESULTS))
    assert re.fullmatch(r"[\d.]+ s", figure(f"{run}; batch; cpu daemons; plugin", RESULTS))
    assert figure("price; life; bill hop_count RunPodSandbox; bridge", RESULTS) == "5"


@pytest.mark.parametrize(
    ("word", "low", "high", "said"),
    [
        ("slower", 1.05, 1.2, "repeated"),
        ("faster", 0.5, 0.6, "refuted"),
        ("no difference seen", 0.98, 1.02, "refuted: no difference"),
        ("no verdict", 2.1, 2.2, "repeated (no verdict)"),
        ("no verdict", 0.7, 0.8, "refuted (no verdict)"),
        ("no verdict", 1.02, 1.03, "refuted: no difference (no verdict)"),
    ],
)
def test_what_a_measurement_says_of_a_claim(word: str, low: float, high: float, said: str) -> None:
    """That it holds, or not; where there is no verdict, only a clear difference counts as one."""
    assert claim_of(Verdict(word, Interval((low + high) / 2, low, high, 2))) == said


def test_calls_of_a_recorded_start(tmp_path: Path) -> None:
    """In all, and during one request; a part that asks nothing is a name that the record does not have."""
    steps = [("kubelet", "a", "RunPodSandbox"), ("a", "b", "X"), ("a", "b", "Y"), ("kubelet", "a", "StartContainer")]
    steps += [("a", "b", "X"), ("b", "c", "X")]
    record = {"steps": [dict(zip(("from", "to", "what"), step, strict=True)) for step in steps]}
    (tmp_path / "run-made-up.json").write_text(json.dumps(record), encoding="utf-8")
    results = Results(DOCS / "data", tmp_path)
    assert figure("calls; made-up; a; b", results) == "3"
    assert figure("calls; made-up; a; b; RunPodSandbox", results) == "2"
    assert figure("calls; made-up; b; c; RunPodSandbox", results) == "0"
    with pytest.raises(FigureError, match="never asks"):
        figure("calls; made-up; c; a", results)


def test_figures_in_a_page_and_in_a_script_are_renewed() -> None:
    """What stood there before does not matter, and the text around stays."""
    source = "architectures; life; pod start; plugin"
    value = figure(source, RESULTS)
    page = f"It took <!-- figure {source} -->ages<!-- end --> here.\n  start: 1, // figure {source}\n"
    number = value.removesuffix(" ms")
    made = f"It took <!-- figure {source} -->{value}<!-- end --> here.\n  start: {number}, // figure {source}\n"
    assert with_figures(page, RESULTS) == made


@pytest.mark.parametrize(
    "source", ["nothing; life; pod start; plugin", "price; life; pod begin; plugin", "price; life; pod start; docker"]
)
def test_a_comment_that_names_no_figure(source: str) -> None:
    """The error names it."""
    with pytest.raises(FigureError, match=source.split(";", maxsplit=1)[0]):
        figure(source, RESULTS)
