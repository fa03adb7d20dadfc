"""The article's four figures stand beside ours as the committed result has them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from msgspec import structs

from cri_shim.bench.results.schema import KUBELET, Process, Run
from lab.measuring.article_figures import DOCKER, FIGURES, PAGE, table, with_tables
from lab.measuring.runtimes_page import DOCS
from tests.unit.bench.made_up import SIDES, run

CPU = {"plugin": {"kubelet": 1.0, "containerd": 2.0}, DOCKER: {"kubelet": 1.0, DOCKER: 1.0, "containerd": 4.0}}
RSS = {"plugin": {"kubelet": 80.0, "containerd": 60.0}, DOCKER: {"kubelet": 80.0, DOCKER: 20.0, "containerd": 100.0}}


def made_up() -> Run:
    """Docker takes twice the plugin's CPU time, and the shim of it is half of what the kubelet takes with it."""
    whole = run(1.0)
    docker = replace(SIDES[1], name=DOCKER, processes=(Process(DOCKER, 20), Process("containerd", 21)))

    def measured(one):
        side_runs = {
            name: replace(one.side_runs["plugin"], cpu=CPU[name], memory=RSS[name]) for name in ("plugin", DOCKER)
        }
        return structs.replace(one, order=("plugin", DOCKER), side_runs=side_runs)

    options: dict[str, float | str] = {"kubelet": "Kubernetes v1", "window_s": 10.0, "before_s": 1.0}
    step = replace(whole.steps[0], scenario=KUBELET, pods=105, options=options)
    step = replace(step, rounds=tuple(map(measured, step.rounds)))
    return replace(whole, sides=(SIDES[0], docker), steps=(step,))


def rows(text: str) -> dict[str, list[str]]:
    """The cells of a table by the first one of each row."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in lines}


def test_the_page_has_the_table_of_its_result():
    """``python -m lab.measuring.article_figures`` would change nothing."""
    page = PAGE.read_text(encoding="utf-8")
    assert "<!-- four figures kubelet-steady: begin -->" in page
    assert with_tables(page, DOCS / "data") == page


def test_each_figure_is_there_as_processes_are_now_and_as_they_were_then():
    """dockershim was a part of the kubelet; its successor is a daemon, which counts for the runtime now."""
    shown = rows(table(made_up(), "x"))
    assert shown["CPU time of the kubelet"] == ["−30.89 %", "+0 % (+0 to +0) =", "100.00 ms/s", "100.00 ms/s"]
    assert shown["CPU time of the kubelet, as then"][1].startswith("−50 %")
    assert shown["CPU time of the runtime"][1].startswith("−60 %")
    assert shown["CPU time of the runtime, as then"][1].startswith("−50 %")
    assert shown["RSS of the kubelet"][2:] == ["80 MiB", "80 MiB"]
    assert shown["RSS of the kubelet, as then"][1:] == ["−20 % (−20 to −20)", "80 MiB", "100 MiB"]
    assert shown["RSS of the runtime"][1:] == ["−50 % (−50 to −50)", "60 MiB", "120 MiB"]
    assert len([label for label in shown if label.startswith(("CPU", "RSS"))]) == 2 * len(FIGURES)


def test_it_says_how_it_was_measured():
    """Versions, windows, rounds and the command."""
    text = table(made_up(), "x")
    for wanted in ("Kubernetes v1", "105 static pods", "8 rounds of 10 s", "containerd 1.6.20", "make compare"):
        assert wanted in text
    assert "(data/x.json)" in text


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.label)
def test_the_articles_figures_are_those_of_its_text(figure):
    """As the rows of the page quote them."""
    quoted = f"{abs(figure.article):.2f}"
    assert re.search(rf"\b{re.escape(quoted)} %", PAGE.read_text(encoding="utf-8"))
