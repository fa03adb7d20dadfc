"""Plan a run: scenarios, the idle pods around each, the rhythm of its calls, and how many rounds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cri_shim.bench.endpoint import rhythm
from cri_shim.bench.options import Surroundings
from cri_shim.bench.results.schema import KUBELET, Step
from cri_shim.bench.scenario_table import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.bench.endpoint.node import Node
    from cri_shim.bench.options import Options
    from cri_shim.bench.scenarios import Scenario

_WITH_RHYTHM = {"calls", "exec"}


@dataclass(frozen=True, slots=True)
class Task:
    """One step to do."""

    step: Step
    scenario: Scenario = field(compare=False)
    rounds: int
    guests: tuple[Node, ...] = field(default=(), compare=False)
    """What runs beside the sides: the script of `floor`."""

    @property
    def idle_pods(self) -> int:
        """The pods to start around it; those of a kubelet are started by it, and it would end all others."""
        return 0 if self.step.scenario == KUBELET else self.step.pods


def plan(options: Options) -> list[Task]:
    """Return the steps, those with few idle pods first, so that pods are started once and removed once.

    Those under a kubelet come last. Raises ValueError for the name of an unknown scenario, and for a kubelet that does
    not run.
    """
    wanted = options.scenarios or tuple(SCENARIOS)
    unknown = set(wanted) - set(SCENARIOS)
    if unknown:
        raise ValueError(f"unknown scenario {', '.join(sorted(unknown))}; known are {', '.join(SCENARIOS)}")
    if KUBELET in options.scenarios and not options.kubelet:
        raise ValueError(f"the scenario {KUBELET} needs a kubelet: name one with --kubelet PATH")
    tasks = []
    for name, make in SCENARIOS.items():
        if (
            name not in wanted
            or (name == "pull" and not options.pull_image)
            or (name == KUBELET and not options.kubelet)
        ):
            continue
        for around in _surroundings(name, options):
            scenario = make(options, around)
            step = Step(name, around.pods, scenario.options, scenario.title, scenario.about, scenario.metrics)
            if around.period:
                step = replace(step, rhythm=rhythm.in_words(around.period))
            tasks.append(Task(step, scenario, options.rounds or scenario.rounds))
    return sorted(tasks, key=lambda task: (task.step.scenario == KUBELET, task.step.pods))


def _surroundings(name: str, options: Options) -> Iterable[Surroundings]:
    densities = {"calls": options.calls_at, "steady": options.steady_at, KUBELET: options.kubelet_at}.get(name, (0,))
    for pods in densities:
        periods: tuple[float, ...] = (rhythm.BACK_TO_BACK,)
        if name in _WITH_RHYTHM and options.rhythms:
            periods = options.rhythms
        elif name == "calls" and pods == min(densities):
            periods = rhythm.DEFAULT
        for period in periods:
            yield Surroundings(pods, period)
