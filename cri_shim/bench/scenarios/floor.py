"""Measure the physical limit: a plain script makes the same pod, in turns with the sides."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

from cri_shim.bench.endpoint.node import Samples, next_name
from cri_shim.bench.endpoint.pod import END, START, Pod
from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.process import FloorProcess
from cri_shim.bench.floor.recipe import ORDERS, Variant
from cri_shim.bench.results.schema import Metric
from cri_shim.bench.scenarios.scenario import WrongWorkError

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.bench.endpoint.node import Node
    from cri_shim.bench.floor.survey import Survey

NAME = "floor"
"""The name of the script among the sides."""
PAUSE_OPTION = "sides with a pause process"
ABOUT = (
    "What is the least that a pod can take on this node? A plain script, without a daemon, makes the same namespaces, "
    "runs the same CNI plugins, mounts the same layers and gives `runc` the same specs. It has a turn in each round "
    "beside the sides, each of which starts a pod with one container and ends it (the same RPCs as in `life`). "
    "**Serial** is one step after the other; **overlapped** starts pause while the CNI plugins run, and takes the "
    "network down while runc deletes: the lower of both is the floor. The script keeps no records and no logs and "
    "answers no requests. It leaves nothing for later: what a runtime puts off until after its answer is not in that "
    "runtime's time, which can therefore be below the floor."
)


class Floor:
    """A pod's start and end on each side, and by the script."""

    title = "The floor of this node"
    metrics = (Metric("pod start", "pod start (3 RPCs)"), Metric("pod end", "pod end (4 RPCs)"))
    rounds = 20
    seconds = 0.6

    def __init__(self) -> None:
        """Know nothing of the sides yet; see `use`."""
        self._survey: Survey | None = None
        self._process: FloorProcess | None = None
        self._variants: list[Variant] = []

    def use(self, survey: Survey, directory: Path) -> None:
        """Take over what was found out about the sides; the script keeps its files in ``directory``."""
        self._survey = survey
        self._process = FloorProcess(survey.recipe, directory)
        self._variants = [Variant(kind, order) for kind in survey.recipe.kinds for order in ORDERS]

    async def try_out(self) -> None:
        """Make each kind of pod once. Raises `FloorError` when one cannot be made."""
        async with self._script() as script:
            for variant in self._variants:
                await script.make_pod(variant)

    @property
    def about(self) -> str:
        """Return what is done, and with what."""
        if self._survey is None:
            return ABOUT
        without = "" if self._survey.recipe.pause else " No side runs a pause process, so neither does the script."
        return f"{ABOUT} Specs, layers and files are those of **{self._survey.source}**.{without}"

    @property
    def options(self) -> dict[str, float | str]:
        """Return what the script runs, and which sides run more."""
        if self._survey is None:
            return {}
        plugins = self._survey.recipe.network.plugins
        return {
            "CNI plugins": ", ".join(plugin["type"] for plugin in plugins),
            PAUSE_OPTION: ", ".join(self._survey.with_pause),
        }

    async def prepare(self, node: Node) -> None:
        """Start the script."""
        if node.name == NAME:
            await self._script().__aenter__()

    async def warm(self, node: Node) -> None:
        """Run it once."""
        await self.run(node, Samples())

    async def run(self, node: Node, samples: Samples) -> None:
        """Run one pod of a side, or one of each kind and order by the script."""
        if node.name == NAME:
            await self._by_script(samples)
            return
        pod = Pod.of(node, next_name(NAME))
        await pod.start(samples)
        await pod.end(samples)
        for metric, rpcs in (("pod start", START), ("pod end", END)):
            samples.add(metric, fsum(samples.values[rpc][-1] for rpc in rpcs))

    async def clean(self, node: Node) -> None:
        """End the script."""
        if node.name == NAME:
            await self._script().__aexit__()

    async def _by_script(self, samples: Samples) -> None:
        self._variants.reverse()  # so that no variant is always the first after a side
        for script_variant in self._variants:
            try:
                outcome = await self._script().make_pod(script_variant)
            except FloorError as error:
                raise WrongWorkError(f"the floor could not be measured: {error}") from error
            variant = key_of(script_variant.kind, script_variant.order)
            samples.add(f"{variant}: pod start", outcome.start)
            samples.add(f"{variant}: pod end", outcome.end)
            for stage, ms in outcome.stages.items():
                samples.add(f"{variant}: {stage}", ms)

    def _script(self) -> FloorProcess:
        if self._process is None:
            raise FloorError("the sides have not been looked at")
        return self._process


def key_of(kind: str, order: str) -> str:
    """Return the prefix of the sample names for one kind of pod made in one order."""
    return f"{kind}, {order}"


def needs_pause(side: str, options: dict[str, float | str]) -> bool:
    """Return whether a side runs a pause process, as the options of a step say."""
    return side in str(options.get(PAUSE_OPTION, "")).split(", ")
