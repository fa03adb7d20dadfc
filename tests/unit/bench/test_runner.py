"""Rounds are kept one by one, in alternating order, and only what is missing is done."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import grpc
import pytest

from cri_shim.bench import runner
from cri_shim.bench.clients.client import CallError
from cri_shim.bench.endpoint.node import Node
from cri_shim.bench.endpoint.pod_configs import Place
from cri_shim.bench.plan import Task
from cri_shim.bench.progress import Progress
from cri_shim.bench.results.result_file import load
from cri_shim.bench.results.schema import Metric, Process, Step
from cri_shim.bench.runner import BETWEEN_SECONDS, Runner, seconds_of_rounds
from cri_shim.bench.scenarios import WrongWorkError
from cri_shim.bench.verdicts import noise
from tests.unit.bench.made_up import QUIET, SIDES, run

if TYPE_CHECKING:
    from pathlib import Path


class FakeClient:
    """Has an address; nobody calls it."""

    endpoint = "unix:///nowhere"
    pids = ()


class FakeScenario:
    """Remembers who did what; fails in the turn that it is told to fail in."""

    title, about, rounds, seconds = "Fake", "Nothing is done.", 3, 0.0
    metrics = (Metric("x", "x"),)
    options: ClassVar[dict[str, float | str]] = {}

    def __init__(self, fail_at: int = -1, unable: dict[str, Exception] | None = None):
        self.did: list[str] = []
        self.side_runs = 0
        self.fail_at = fail_at
        self.unable = unable or {}
        """By what is being done, ``prepare b`` for instance."""

    async def prepare(self, node):
        self.attempt(f"prepare {node.name}")

    async def warm(self, node):
        self.attempt(f"warm {node.name}")

    def attempt(self, what):
        self.did.append(what)
        if what in self.unable:
            raise self.unable[what]

    async def run(self, node, samples):
        if self.side_runs == self.fail_at:
            raise RuntimeError("told to fail")
        self.side_runs += 1
        self.did.append(node.name)
        samples.add("x", 1.0)

    async def clean(self, node):
        self.did.append(f"clean {node.name}")


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch):
    """No loops in these tests."""
    monkeypatch.setattr(noise, "probe", lambda: QUIET)


def runner_of(file: Path, begun=None) -> Runner:
    nodes = tuple(Node(name, FakeClient(), Place("image", file.parent, "/none")) for name in ("a", "b"))  # type: ignore[arg-type]
    sides = tuple(replace(side, name=node.name) for side, node in zip(SIDES, nodes, strict=True))
    return Runner(nodes, begun or replace(run(), sides=sides), file, Progress(io.StringIO(), 1))


def task(scenario: FakeScenario, count: int) -> Task:
    return Task(Step("fake", 0, {}), scenario, count)


async def test_rounds_alternate_and_warming_up_is_apart(tmp_path):
    """Prepared, warmed, then A B B A A B, then cleaned; only rounds are in the file."""
    scenario = FakeScenario()
    await runner_of(tmp_path / "run.json").measure([task(scenario, 3)])
    assert scenario.did[:4] == ["prepare a", "prepare b", "warm a", "warm b"]
    assert scenario.did[4:10] == ["a", "b", "b", "a", "a", "b"]
    assert sorted(scenario.did[10:]) == ["clean a", "clean b"]
    (step,) = load(tmp_path / "run.json").steps
    assert [one.order for one in step.rounds] == [("a", "b"), ("b", "a"), ("a", "b")]
    assert all(side_run.samples == {"x": [1.0]} for one in step.rounds for side_run in one.side_runs.values())


async def test_an_interrupted_round_is_not_kept_and_the_rest_is_done_later(tmp_path):
    """A failure in the middle of round 1 keeps round 0; going on does rounds 1 and 2 and no other."""
    file = tmp_path / "run.json"
    failing = FakeScenario(fail_at=3)
    with pytest.raises(RuntimeError, match="told to fail"):
        await runner_of(file).measure([task(failing, 3)])
    assert {"clean a", "clean b"} <= set(failing.did)
    assert [one.number for one in load(file).steps[0].rounds] == [0]
    later = FakeScenario()
    await runner_of(file, load(file)).measure([task(later, 3)])
    assert [did for did in later.did if did in {"a", "b"}] == ["b", "a", "a", "b"]
    assert [one.number for one in load(file).steps[0].rounds] == [0, 1, 2]


async def test_a_guest_runs_in_every_round(tmp_path):
    """It is prepared, warmed and cleaned like a side, and forwards and backwards come around it too."""
    scenario = FakeScenario()
    runner = runner_of(tmp_path / "run.json")
    guest = replace(runner.nodes[0], name="guest")
    await runner.measure([replace(task(scenario, 2), guests=(guest,))])
    (step,) = load(tmp_path / "run.json").steps
    assert [one.order for one in step.rounds] == [("a", "b", "guest"), ("guest", "b", "a")]
    assert {"prepare guest", "warm guest", "clean guest"} <= set(scenario.did)
    assert seconds_of_rounds([replace(task(scenario, 2), guests=(guest,))], 2) == pytest.approx(6 * BETWEEN_SECONDS)


async def test_what_is_done_is_not_done_again(tmp_path):
    """A plan that the file has already touches no side."""
    file = tmp_path / "run.json"
    await runner_of(file).measure([task(FakeScenario(), 2)])
    again = FakeScenario()
    await runner_of(file, load(file)).measure([task(again, 2)])
    assert again.did == []


@pytest.fixture
def removed(monkeypatch):
    """Names of nodes whose pods were all removed."""
    names: list[str] = []

    async def remove_all(node):
        names.append(node.name)

    monkeypatch.setattr(runner, "remove_all", remove_all)
    return names


NO_SOCAT = WrongWorkError("port-forward through b gave nothing")


@pytest.mark.parametrize("when", ["prepare b", "warm b"])
async def test_a_side_that_cannot_do_it_takes_no_part(tmp_path, removed, when):
    """The others are measured, the file says why it is missing, and nothing of it is left."""
    file = tmp_path / "run.json"
    scenario = FakeScenario(unable={when: NO_SOCAT})
    said = io.StringIO()
    await replace(runner_of(file), progress=Progress(said, 1)).measure([task(scenario, 2)])
    assert [each for each in scenario.did if each in {"a", "b"}] == ["a", "a"]
    assert "clean b" in scenario.did
    assert removed == ["b"]
    (step,) = [each for each in load(file).steps if each.name == "fake"]
    assert step.left_out == {"b": "port-forward through b gave nothing"}
    assert [one.order for one in step.rounds] == [("a",), ("a",)]
    assert "b takes no part in this: port-forward through b gave nothing" in said.getvalue()


async def test_a_side_that_takes_no_part_is_not_tried_again(tmp_path, removed):
    """Rounds with it and rounds without would be no pairs."""
    file = tmp_path / "run.json"
    await runner_of(file).measure([task(FakeScenario(unable={"prepare b": NO_SOCAT}), 1)])
    scenario = FakeScenario()
    await runner_of(file, load(file)).measure([task(scenario, 3)])
    assert "prepare b" not in scenario.did
    assert removed == ["b"]
    (step,) = [each for each in load(file).steps if each.name == "fake"]
    assert list(step.left_out) == ["b"]
    assert len(step.rounds) == 3


@pytest.mark.parametrize("failing", ["prepare a", "warm a"])
async def test_the_first_side_has_to_take_part(tmp_path, failing):
    """There would be nothing to compare the others with."""
    with pytest.raises(WrongWorkError):
        await runner_of(tmp_path / "run.json").measure([task(FakeScenario(unable={failing: NO_SOCAT}), 1)])


async def test_a_daemon_that_is_gone_ends_the_run(tmp_path):
    """Nothing more can be measured of it; the user should know at once."""
    gone = CallError("unix:///b", "Version", grpc.StatusCode.UNAVAILABLE, "connection refused")
    with pytest.raises(CallError):
        await runner_of(tmp_path / "run.json").measure([task(FakeScenario(unable={"warm b": gone}), 1)])


async def test_a_side_with_rounds_has_to_go_on(tmp_path):
    """It could do the work before."""
    file = tmp_path / "run.json"
    await runner_of(file).measure([task(FakeScenario(), 1)])
    with pytest.raises(WrongWorkError):
        await runner_of(file, load(file)).measure([task(FakeScenario(unable={"prepare b": NO_SOCAT}), 3)])


class StagedScenario(FakeScenario):
    """Has surroundings of its own for each run."""

    async def before(self, node):
        self.attempt(f"before {node.name}")

    async def after(self, node):
        self.did.append(f"after {node.name}")


async def test_the_surroundings_of_a_run_are_made_and_ended_around_each_run(tmp_path):
    """One side at a time; a scenario without them has none."""
    scenario = StagedScenario()
    await runner_of(tmp_path / "run.json").measure([task(scenario, 1)])
    runs = scenario.did[4:-2]
    assert runs == ["before a", "a", "after a", "before b", "b", "after b"]


@pytest.mark.parametrize("settings", [{"fail_at": 0}, {"unable": {"before a": WrongWorkError("no")}}])
async def test_the_surroundings_end_also_when_the_run_fails(tmp_path, settings):
    """Or when they could not be made, because half of them may be there."""
    scenario = StagedScenario(**settings)
    with pytest.raises((RuntimeError, WrongWorkError)):
        await runner_of(tmp_path / "run.json").measure([task(scenario, 1)])
    assert "after a" in scenario.did
    assert "clean a" in scenario.did


async def test_what_is_beside_a_side_is_measured_with_it(tmp_path):
    """Under its own name, and not as one of its daemons."""
    runner = runner_of(tmp_path / "run.json")
    own = Process("kubelet", os.getpid())

    class Beside(StagedScenario):
        async def before(self, node):
            node.beside = (own,)

    await runner.measure([task(Beside(), 1)])
    (step,) = load(tmp_path / "run.json").steps
    for side_run in step.rounds[0].side_runs.values():
        assert "kubelet" in side_run.cpu
        assert side_run.memory["kubelet"] > 1
        assert side_run.pss["kubelet"] > 1
