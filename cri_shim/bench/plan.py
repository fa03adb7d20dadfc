"""What a run consists of: scenarios, the number of idle pods around each, and how many rounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cri_shim.bench.scenarios import SCENARIOS
from cri_shim.bench.schema import Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.bench.scenarios import Scenario

CALLS_AT = (0, 35, 105, 250)
STEADY_AT = (105,)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What may be chosen on the command line."""

    scenarios: tuple[str, ...] = tuple(SCENARIOS)
    rounds: int = 0
    """0: each scenario's own number."""
    warm_up: int = 1
    batch_pods: int = 105
    calls_at: tuple[int, ...] = CALLS_AT
    steady_at: tuple[int, ...] = STEADY_AT
    window: float = 10.0
    log_mebibytes: int = 64
    stream_mebibytes: int = 256
    pull_image: str = ""
    """Nothing is pulled without one."""


@dataclass(frozen=True, slots=True)
class Task:
    """One step to be done."""

    step: Step
    scenario: Scenario = field(compare=False)
    rounds: int


def plan(wishes: Wishes) -> list[Task]:
    """The steps, with few idle pods first, so that pods are started once and removed once.

    Raises ValueError for a scenario that there is none of.
    """
    unknown = set(wishes.scenarios) - set(SCENARIOS)
    if unknown:
        raise ValueError(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    tasks = []
    for name, make in SCENARIOS.items():
        if name not in wishes.scenarios or (name == "pull" and not wishes.pull_image):
            continue
        for pods in _surroundings(name, wishes):
            scenario = make(wishes, pods)
            step = Step(name, pods, scenario.options, scenario.title, scenario.about, scenario.metrics)
            tasks.append(Task(step, scenario, wishes.rounds or scenario.rounds))
    return sorted(tasks, key=lambda task: task.step.pods)


def _surroundings(name: str, wishes: Wishes) -> Iterable[int]:
    if name == "calls":
        return wishes.calls_at
    return wishes.steady_at if name == "steady" else (0,)
