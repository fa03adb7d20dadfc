"""Split a run into the sides that do the same work, which are ranked, and those that do other work, shown apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cri_shim.bench.parity import other_work

if TYPE_CHECKING:
    from cri_shim.bench.results.schema import Run


@dataclass(frozen=True, slots=True)
class View:
    """Some sides of a run, always with the first one; ``apart`` if they do other work than that one."""

    run: Run
    apart: bool

    @property
    def suffix(self) -> str:
        """What distinguishes the names of its pictures."""
        return "-apart" if self.apart else ""


def views(run: Run) -> list[View]:
    """Return the sides of the same work, then, if there are any, those apart from them beside the first one."""
    other = other_work.of_run(run)
    first, *others = run.sides
    same = View(replace(run, sides=(first, *(side for side in others if side.name not in other))), apart=False)
    if not other:
        return [same]
    apart = View(replace(run, sides=(first, *(side for side in others if side.name in other))), apart=True)
    return [same, apart]


def shown_views(run: Run) -> list[View]:
    """Return the same without a first group that would be the first side alone, as the second one has it, too."""
    return [view for view in views(run) if view.apart or len(view.run.sides) > 1 or len(run.sides) == 1]


def other_sides(run: Run) -> dict[str, str]:
    """Return by side, for each that does other work, what that is, in words."""
    return {side: other_work.in_words(differing, side) for side, differing in other_work.of_run(run).items()}
