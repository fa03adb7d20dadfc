"""What the report says of the floor: how many times it each side takes, and where a pod's time goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cri_shim.bench.order import order_of_round
from cri_shim.bench.report import document, files
from cri_shim.bench.report.blocks import Picture, Table
from cri_shim.bench.report.floor_rows import floor_rows
from cri_shim.bench.report.markdown import to_markdown
from cri_shim.bench.results.schema import Round, Run, SideRun, Step
from cri_shim.bench.scenarios.floor import PAUSE_OPTION, Floor
from tests.unit.bench.made_up import BUSY, QUIET, run

SIDES = ("plugin", "bridge")
SCRIPT = {
    # (start, end) in ms, by kind and order
    "with pause, serial": (100.0, 60.0),
    "with pause, overlapped": (80.0, 64.0),
    "without pause, serial": (70.0, 40.0),
    "without pause, overlapped": (50.0, 35.0),
}


def script_run(factor: float, probe=QUIET) -> SideRun:
    """What the script took, and stages that make up nine tenths of it."""
    samples = {}
    for variant, (start, end) in SCRIPT.items():
        samples[f"{variant}: pod start"] = [start * factor]
        samples[f"{variant}: pod end"] = [end * factor]
        for stage, ms in (
            ("CNI ADD first", start * 0.3),
            ("runc create container", start * 0.6),
            ("CNI DEL first", end * 0.9),
        ):
            samples[f"{variant}: {stage}"] = [ms * factor]
    return SideRun(1.0, samples, probe=probe)


def one_side_run(ms: float, probe=QUIET) -> SideRun:
    return SideRun(1.0, {"pod start": [ms], "pod end": [ms / 2]}, probe=probe)


def with_floor(pause: str = "plugin, bridge", probe=QUIET) -> Run:
    """A run whose plugin takes 160 ms for a start and whose bridge takes 120, on a machine that drifts."""
    rounds = []
    for number in range(8):
        drift = 1 + number / 10
        side_runs = {"plugin": one_side_run(160 * drift, probe), "bridge": one_side_run(120 * drift, probe)}
        side_runs["floor"] = script_run(drift, probe)
        rounds.append(Round(number, 1000.0 + number, order_of_round((*SIDES, "floor"), number), side_runs))
    options: dict[str, float | str] = {PAUSE_OPTION: pause, "CNI plugins": "first"}
    scenario = Floor()
    step = Step("floor", 0, options, scenario.title, scenario.about, scenario.metrics, tuple(rounds))
    plain = run(0.8)
    return replace(plain, steps=(*plain.steps, step))


def test_each_side_is_a_multiple_of_the_faster_order():
    """Starts overlap to advantage here and ends do not; neighbours in time are compared, so a drift is no matter."""
    rows = {(row.what, row.side): row for row in floor_rows(with_floor().steps[-1], SIDES)}
    assert rows["pod start", "plugin"].times.estimate == pytest.approx(2.0)
    assert rows["pod start", "bridge"].times.estimate == pytest.approx(1.5)
    assert rows["pod start", "bridge"].times.width == pytest.approx(0.0)
    assert (rows["pod start", "plugin"].kind, rows["pod start", "plugin"].order) == ("with pause", "overlapped")
    assert rows["pod end", "plugin"].order == "serial"
    assert rows["pod end", "plugin"].times.estimate == pytest.approx(80 / 60)


def test_a_side_without_pause_is_compared_with_a_pod_without_it():
    """It runs as many processes of runc as the script does then."""
    rows = {(row.what, row.side): row for row in floor_rows(with_floor("plugin").steps[-1], SIDES)}
    assert rows["pod start", "plugin"].kind == "with pause"
    assert rows["pod start", "bridge"].kind == "without pause"
    assert rows["pod start", "bridge"].times.estimate == pytest.approx(120 / 50)


def test_every_report_says_it_for_every_side():
    """The terminal, the first page and the step's own section."""
    measured = with_floor()
    sentence = "a pod start takes 1.50 (1.50 to 1.50) times the floor of this node (108 ms, with pause, overlapped)"
    assert f"bridge: {sentence}" in files.short(measured)
    page = " ".join(to_markdown(document.document(measured), "pictures").split())
    assert f"- bridge: {sentence}" in page
    assert page.count("times the floor of this node") == 4
    for wanted in (
        "| CNI ADD first |",
        "| runc create container |",
        "the script between them",
        "| pod end, without pause |",
    ):
        assert wanted in page
    assert any(isinstance(block, Picture) and block.name == "floor-stages" for block in document.document(measured))


def test_stages_and_the_rest_add_up_to_the_serial_pod():
    """A tenth of the made-up pod is in no stage."""
    tables = [block for block in document.document(with_floor()) if isinstance(block, Table)]
    (stages,) = [table for table in tables if table.head[0] == "stage, with pause, ms, p50"]
    assert sum(float(row[1]) for row in stages.rows) == pytest.approx((100 + 60) * 1.35, rel=0.01)
    assert float(stages.rows[-1][1]) == pytest.approx(16 * 1.35, rel=0.02)


def test_on_a_machine_that_was_not_quiet_it_is_said():
    """The number stands, with the reservation beside it."""
    assert "; the machine was not quiet" in files.short(with_floor(probe=BUSY))
    assert "not quiet" not in files.short(with_floor())


def test_a_run_without_the_step_says_nothing():
    """No floor was measured."""
    assert "floor" not in files.short(run(0.8))
    assert "Against **the floor**" not in to_markdown(document.document(run(0.8)), "pictures")
