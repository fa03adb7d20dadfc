"""Results whose parts do not fit together: each is named when it is read, and no report is tried."""

from __future__ import annotations

import json

import pytest

from cri_shim import cli
from cri_shim.bench.results import result_file
from cri_shim.bench.results.result_check import why_damaged
from tests.unit.bench.made_up import run


def first_run(document):
    return document["steps"][0]["rounds"][0]["turns"]["bridge"]


BREAKS = {
    "it has no side": lambda it: it.update(sides=[]),
    "two of its sides have one name": lambda it: it["sides"].append(it["sides"][0]),
    "round 1 of batch has no turn of bridge": lambda it: it["steps"][0]["rounds"][0]["turns"].pop("bridge"),
    "the moment at which it began is not valid": lambda it: it.update(started_at=1e300),
    "batch has no round": lambda it: it["steps"][0].update(rounds=[]),
    "round 1 of batch has bills of RunPodSandbox that are not whole in the turn of bridge": lambda it: first_run(it)[
        "bills"
    ]["RunPodSandbox"].update(count=3),
    "round 1 of batch has a time of RunPodSandbox that cannot be in the turn of bridge": lambda it: first_run(it)[
        "samples"
    ].update(RunPodSandbox=[-1.0]),
    "round 1 of batch has an amount of CPU time or memory that cannot be in the turn of bridge": lambda it: first_run(
        it
    )["cpu"].update(helpers=1e300),
    "round 1 of floor has no turn of floor": lambda it: it["steps"][0].update(scenario="floor"),
}


@pytest.mark.parametrize("why", BREAKS)
def test_what_does_not_fit_is_named(tmp_path, capsys, why):
    """In one sentence, with exit code 1."""
    file = tmp_path / "run.json"
    result_file.save(file, run(0.8))
    document = json.loads(file.read_text())
    BREAKS[why](document)
    file.write_text(json.dumps(document))
    assert cli.main(["compare", "report", str(file)]) == 1
    assert capsys.readouterr().err == f"{file}: not a whole result of `cri-shim compare`: {why}\n"


def test_a_whole_run_is_whole():
    """As it is made."""
    assert why_damaged(run(0.8, 1.2)) == ""
