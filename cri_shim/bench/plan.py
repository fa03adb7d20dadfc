"""What a run consists of: scenarios, the idle pods around each, the rhythm of its calls, and how many rounds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cri_shim.bench import rhythm
from cri_shim.bench.scenarios import SCENARIOS
from cri_shim.bench.schema import Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.bench.node import Node
    from cri_shim.bench.scenarios import Scenario

CALLS_AT = (0, 35, 105, 250)
STEADY_AT = (105,)
_WITH_RHYTHM = {"calls", "exec"}


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
    rhythms: tuple[float, ...] = ()
    """Seconds of quiet before a call. None: all of :data:`rhythm.DEFAULT` with the fewest pods, else back to back."""
    window: float = 10.0
    log_mebibytes: int = 64
    stream_mebibytes: int = 256
    pull_image: str = ""
    """Nothing is pulled without one."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step's turns happen in: the number of idle pods, and the seconds of quiet before each call."""

    pods: int
    period: float = rhythm.BACK_TO_BACK


@dataclass(frozen=True, slots=True)
class Task:
    """One step to be done."""

    step: Step
    scenario: Scenario = field(compare=False)
    rounds: int
    guests: tuple[Node, ...] = field(default=(), compare=False)
    """What has turns beside the sides: the script of `floor`."""


def plan(wishes: Wishes) -> list[Task]:
    """The steps, with few idle pods first, so that pods are started once and removed once.

    Raises ValueError for the name of an unknown scenario.
    """
    unknown = set(wishes.scenarios) - set(SCENARIOS)
    if unknown:
        raise ValueError(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    tasks = []
    for name, make in SCENARIOS.items():
        if name not in wishes.scenarios or (name == "pull" and not wishes.pull_image):
            continue
        for around in _surroundings(name, wishes):
            scenario = make(wishes, around)
            step = Step(name, around.pods, scenario.options, scenario.title, scenario.about, scenario.metrics)
            if around.period:
                step = replace(step, rhythm=rhythm.in_words(around.period))
            tasks.append(Task(step, scenario, wishes.rounds or scenario.rounds))
    return sorted(tasks, key=lambda task: task.step.pods)


def _surroundings(name: str, wishes: Wishes) -> Iterable[Surroundings]:
    densities = {"calls": wishes.calls_at, "steady": wishes.steady_at}.get(name, (0,))
    for pods in densities:
        periods: tuple[float, ...] = (rhythm.BACK_TO_BACK,)
        if name in _WITH_RHYTHM and wishes.rhythms:
            periods = wishes.rhythms
        elif name == "calls" and pods == min(densities):
            periods = rhythm.DEFAULT
        for period in periods:
            yield Surroundings(pods, period)
