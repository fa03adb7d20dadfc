"""The committed pod starts have their form, and the page has words for all that is in them and in its pictures."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from lab.pod_starts.form import PARTS, problems

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "cri_shim/explorer/page"
FILES = sorted(PAGE.glob("run-*.json"))
RUNS: dict[str, dict[str, Any]] = {path.stem.removeprefix("run-"): json.loads(path.read_text()) for path in FILES}


def strings(text: str) -> list[str]:
    """The strings of a piece of JavaScript that has no others than in double quotes."""
    return re.findall(r'"([^"]*)"', text)


@pytest.mark.parametrize("name", RUNS)
def test_each_run_has_the_form(name):
    """Parts, times, ways of observing, and what was not observed."""
    assert problems(RUNS[name]) == []
    assert RUNS[name]["architecture"] == name
    assert RUNS[name]["starts"] >= 2, "the first one only fills caches"
    assert "/tmp/" not in RUNS[name]["command"], "a command that others can run"


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda run: run.pop("machine"), "machine"),
        (lambda run: run["steps"][1].update(how="guess"), "guess"),
        (lambda run: run["steps"][1].update(to="nobody"), "nobody"),
        (lambda run: run["steps"][1].update(start_ms=10**6), "1000000"),
        (lambda run: run["steps"].reverse(), "order"),
        (lambda run: run["not_observed"].append({"from": "containerd"}), "not_observed"),
        (lambda run: run["how"].update(guess="by guessing"), "how"),
        (lambda run: run["versions"].update(runc=None), "versions"),
    ],
)
def test_what_does_not_have_the_form_is_noticed(break_it, said):
    """One thing wrong in a good run."""
    run = copy.deepcopy(RUNS["cri-shim"])
    break_it(run)
    assert said in "; ".join(problems(run))


def test_the_page_loads_these_runs_and_knows_their_parts():
    """No file is left out, and no part has no box."""
    script = (PAGE / "runs.js").read_text()
    names = strings(script.split("const NAMES", 1)[1].split(";", 1)[0])
    assert sorted(names) == sorted(RUNS)
    boxes = strings(script.split("export const COLUMNS", 1)[1].split(";", 1)[0])
    assert set(boxes) == set(PARTS)


def test_each_step_has_a_sentence():
    """The longest beginning that fits counts; a step without one would be shown by its bare name."""
    purposes = (PAGE / "narration.js").read_text().split("const PURPOSES", 1)[1].split("\n};", 1)[0]
    starts = (*re.findall(r'^  "([^"]+)": "', purposes, re.MULTILINE), "the container's program")
    steps = {step["what"] for run in RUNS.values() for step in run["steps"]}
    assert [what for what in sorted(steps) if not what.startswith(starts)] == []


def test_nothing_of_this_daemon_is_in_the_runs_of_others():
    """cri-shim has no part in them, and its ledger says nothing of them."""
    for name, run in RUNS.items():
        parts = {part for step in run["steps"] for part in (step["from"], step["to"])}
        assert ("cri-shim" in parts) == (name == "cri-shim")
        assert ("ledger" in run["how"]) == (name == "cri-shim")
        assert run["how"]["client"]


def test_each_process_of_each_picture_has_its_death():
    """And no death is of a process that is in no picture; what it takes along is a box of the picture."""
    pictures = (PAGE / "architectures.js").read_text().split("\n    name: ")[1:]
    deaths = (PAGE / "deaths.js").read_text().split("export const DEATHS", 1)[1]
    by_picture = dict(re.findall(r'^  "([^"]+)": \{\n(.*?)^  \},$', deaths, re.MULTILINE | re.DOTALL))
    assert len(pictures) == len(by_picture) == 5
    for picture in pictures:
        name = strings(picture)[0]
        boxes = picture.split("boxes: [", 1)[1].split("],\n    arrows", 1)[0]
        processes = {*re.findall(r'process: "([^"]+)"', boxes), "CNI plugins"}
        assert set(re.findall(r'^    "([^"]+)": ', by_picture[name], re.MULTILINE)) == processes
        parts = {*re.findall(r'row: "([^"]+)"', boxes), *re.findall(r'part: "([^"]+)"', boxes)}
        assert set(strings("".join(re.findall(r"takesAlong: \[.*?\]", by_picture[name])))) <= parts


def test_the_sources_of_deaths_exist():
    """Files of this repository that they name, and chapters of docs/evolution.md."""
    deaths = (PAGE / "deaths.js").read_text()
    paths = set(re.findall(r"\b(?:docs|tests)/[\w/.-]*\w", deaths))
    assert len(paths) > 5
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    chapters = re.findall(r"^## (\d)\. ", (ROOT / "docs/evolution.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"docs/evolution.md, chapter (\d)", deaths)) <= set(chapters)
    exercises = {path.name[:2].lstrip("0") for path in (ROOT / "docs/lab").glob("[0-9]*.md")}
    named = re.findall(r"exercises? (\d)(?: and (\d))? of docs/lab", deaths)
    assert {number for pair in named for number in pair if number} <= exercises
