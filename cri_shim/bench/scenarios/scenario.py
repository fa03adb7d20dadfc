"""The protocol of a scenario: what all sides do in turns, and which of its metrics are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from cri_shim.bench.endpoint.node import Node, Samples
    from cri_shim.bench.results.schema import Metric


class WrongWorkError(Exception):
    """A side did something else than it was asked to, so its measurements are worthless."""


class Scenario(Protocol):
    """One experiment. A run on one side makes the same requests as on any other."""

    @property
    def title(self) -> str:
        """Its name in the report."""
        ...

    @property
    def about(self) -> str:
        """What it does, for a reader who does not know it."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The rows of the report, the most important first."""
        ...

    @property
    def rounds(self) -> int:
        """How many rounds it has, unless the user chooses otherwise."""
        ...

    @property
    def seconds(self) -> float:
        """About how long a run takes, for the progress bar."""
        ...

    @property
    def options(self) -> dict[str, float | str]:
        """What decides how much work a run is; rounds with other options must not be mixed."""
        ...

    async def prepare(self, node: Node) -> None:
        """Set up what a side's runs need."""
        ...

    async def warm(self, node: Node) -> None:
        """Do what a run does, or a little of it, so that the first run is like any other."""
        ...

    async def run(self, node: Node, samples: Samples) -> None:
        """Run it once; raises :class:`WrongWorkError` when the side did not do what it was asked to."""
        ...

    async def clean(self, node: Node) -> None:
        """Remove what ``prepare`` has set up."""
        ...


@runtime_checkable
class Staged(Protocol):
    """What a scenario also has if each of its runs needs surroundings of its own, which do not count."""

    async def before(self, node: Node) -> None:
        """Make them, before the clock starts."""
        ...

    async def after(self, node: Node) -> None:
        """End them, after the clock has stopped, whether the run succeeded or not."""
        ...
