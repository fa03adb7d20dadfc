"""What a scenario is: something that both sides do in turns, and what of it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cri_shim.bench.endpoint.node import Node, Samples
    from cri_shim.bench.results.schema import Metric


class WrongWorkError(Exception):
    """A side did something else than it was asked to; what was measured of it is worth nothing."""


class Scenario(Protocol):
    """One experiment. A turn of one side is made of the same requests as that of any other."""

    @property
    def title(self) -> str:
        """What it is called in the report."""
        ...

    @property
    def about(self) -> str:
        """What is done, for a reader who has not seen this."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The rows of the report; the first are those that count most."""
        ...

    @property
    def rounds(self) -> int:
        """How many, unless somebody wishes otherwise."""
        ...

    @property
    def seconds(self) -> float:
        """About how long a turn takes, for the progress bar."""
        ...

    @property
    def options(self) -> dict[str, float | str]:
        """What decides how much work a turn is; rounds of other options are not mixed."""
        ...

    async def prepare(self, node: Node) -> None:
        """Set up what a side's turns need."""
        ...

    async def warm(self, node: Node) -> None:
        """Do what a turn does, or a little of it, so that the first turn is like any other."""
        ...

    async def run(self, node: Node, samples: Samples) -> None:
        """Do it once; raises :class:`WrongWorkError` when the side did not do what it was asked to."""
        ...

    async def clean(self, node: Node) -> None:
        """Remove what ``prepare`` has set up."""
        ...
