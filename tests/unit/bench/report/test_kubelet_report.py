"""A steady state under a real kubelet is reported with what the kubelet itself takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from cri_shim.bench.report import document
from cri_shim.bench.report.blocks import Picture, Table
from cri_shim.bench.report.markdown import to_markdown
from cri_shim.bench.report.rows import rows_of
from tests.unit.bench.made_up import run

if TYPE_CHECKING:
    from cri_shim.bench.results.schema import Round, Run

FIGURES = ("cpu kubelet", "cpu daemons", "rss kubelet", "rss daemons")


def with_kubelet() -> Run:
    """A run whose one step has a kubelet that takes 2 s of CPU and 100 MiB, under the bridge half of that."""
    whole = run(0.5)
    step = replace(whole.steps[0], scenario="kubelet", pods=105, metrics=())

    def measured(side_run, part: float):
        return replace(
            side_run,
            samples={},
            cpu=side_run.cpu | {"kubelet": 2.0 * part},
            memory=side_run.memory | {"kubelet": 100.0 * part},
            pss=side_run.pss | {"kubelet": 90.0 * part},
            uss=side_run.uss | {"kubelet": 80.0 * part},
        )

    rounds = tuple(
        structs.replace(
            one,
            side_runs={
                name: measured(side_run, 0.5 if name == "bridge" else 1.0) for name, side_run in one.side_runs.items()
            },
        )
        for one in step.rounds
    )
    return replace(whole, steps=(replace(step, rounds=rounds),))


def test_the_four_figures_of_a_node_are_rows_of_the_first_page():
    """CPU time and resident memory, of the kubelet and of the daemons, which do not contain it."""
    rows = {row.key: row for row in rows_of(with_kubelet())}
    assert all(rows[key].main for key in FIGURES)
    assert rows["cpu kubelet"].sides["plugin"].p50 == 2.0
    assert rows["cpu kubelet"].verdicts["bridge"].ratio.estimate == 0.5
    assert rows["rss kubelet"].sides["bridge"].p50 == 50.0
    assert rows["cpu daemons"].sides["plugin"].p50 == pytest.approx(0.8, rel=0.05)
    assert rows["rss daemons"].sides["plugin"].p50 == pytest.approx(50, rel=0.05)
    assert rows["pss kubelet"].sides["plugin"].p50 == 90.0
    assert "pss daemons" in rows


def test_what_a_daemon_leaves_to_its_shims_is_counted_too():
    """A plugin that asks its shims for statistics takes little itself, and they take the rest."""
    whole = with_kubelet()
    (step,) = whole.steps
    cpu = {"plugin": {"containerd": 1.0, "shims": 3.0}, "bridge": {"cri-shim": 1.5, "containerd": 0.5, "shims": 1.0}}
    rounds = tuple(
        structs.replace(
            one,
            side_runs={
                name: replace(side_run, cpu={"kubelet": 2.0, "helpers": 0.0} | cpu[name])
                for name, side_run in one.side_runs.items()
            },
        )
        for one in step.rounds
    )
    rows = {row.key: row for row in rows_of(replace(whole, steps=(replace(step, rounds=rounds),)))}
    assert rows["cpu daemons"].verdicts["bridge"].ratio.estimate == 2.0
    assert rows["cpu runtime"].verdicts["bridge"].ratio.estimate == 0.75
    assert rows["cpu runtime"].main
    unknown = replace(whole, steps=(replace(step, rounds=tuple(map(_without_shims, rounds))),))
    assert "cpu runtime" not in {row.key for row in rows_of(unknown)}


def test_a_side_that_does_less_is_not_compared_with_its_shims_either():
    """As its daemons are not: it is cheaper because it leaves something out."""
    whole = run(0.5)
    step = replace(whole.steps[0], scenario="steady", pods=105)
    assert "cpu runtime" in {row.key for row in rows_of(replace(whole, steps=(step,)))}
    bridge = replace(whole.sides[1], left_out={step.metrics[0].key: "not implemented"})
    lacking = replace(whole, sides=(whole.sides[0], bridge), steps=(step,))
    assert not {"cpu daemons", "cpu runtime"} & {row.key for row in rows_of(lacking)}


def _without_shims(one: Round) -> Round:
    """A round whose shims were not read."""
    side_runs = {
        name: replace(side_run, cpu={part: seconds for part, seconds in side_run.cpu.items() if part != "shims"})
        for name, side_run in one.side_runs.items()
    }
    return structs.replace(one, side_runs=side_runs)


def test_its_tables_and_pictures_have_the_kubelet():
    """By who used the CPU, and by whose memory it is; what this does not show is said for a run with a kubelet."""
    blocks = document.document(with_kubelet())
    (cpu,) = [block for block in blocks if isinstance(block, Table) and block.head[0] == "side, seconds per turn"]
    assert "kubelet" in cpu.head
    (memory,) = [block for block in blocks if isinstance(block, Table) and block.head[0].startswith("side, MiB")]
    assert ("plugin", "kubelet", "100", "90.0", "80.0") in memory.rows
    assert {"kubelet-at-105-cpu", "kubelet-at-105-memory"} <= {
        block.name for block in blocks if isinstance(block, Picture)
    }
    text = " ".join(to_markdown(blocks, "pictures").split())
    assert "has a real kubelet" in text
    assert "There is no kubelet" not in text
    assert "There is no kubelet" in " ".join(to_markdown(document.document(run(0.8)), "pictures").split())
