"""Print where the CPU of a batch went, as a table for terminals and pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from lab.measuring.program_roles import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lab.measuring.cpu_account import Account
    from lab.measuring.program_roles import Role

_LEAST_MS = 0.05
"""A row with less on every side is added to the last row of its group."""
NOT_OURS = ("client", "elsewhere")
"""Groups that are no part of a runtime's cost."""


@dataclass(slots=True)
class Run:
    """One batch: seconds of wall time, the account, and the seconds that the whole machine was busy."""

    seconds: float
    account: Account
    machine: float


@dataclass(slots=True)
class Series:
    """The runs of one side in one phase, with so many pods each."""

    side: str
    phase: str
    pods: int
    runs: list[Run] = field(default_factory=list)

    def ms(self, roles: Iterable[Role]) -> float:
        """Return the CPU milliseconds of some roles for a pod: the median over runs."""
        wanted = list(roles)
        return median(sum(run.account.nanoseconds[role] for role in wanted) / 1e6 / self.pods for run in self.runs)

    def executions(self, roles: Iterable[Role]) -> float:
        """Return how often programs with these roles were executed for a pod: the median over runs."""
        wanted = list(roles)
        return median(sum(run.account.executions[role] for role in wanted) / self.pods for run in self.runs)

    def roles(self) -> set[Role]:
        """Return all roles that any run has."""
        return {role for run in self.runs for role in (*run.account.nanoseconds, *run.account.executions)}

    @property
    def seconds(self) -> float:
        """The median wall time of a batch."""
        return median(run.seconds for run in self.runs)

    @property
    def unaccounted(self) -> float:
        """The CPU milliseconds for a pod that the machine was busy with and no task was charged with."""
        return median(
            (run.machine * 1e3 - sum(run.account.nanoseconds.values()) / 1e6) / self.pods for run in self.runs
        )


def table(series: Sequence[Series]) -> str:
    """Return a Markdown table of one phase: a row for each group and role, a column for each side."""
    by_group: dict[str, list[Role]] = {group: [] for group in GROUPS}
    for role in {role for one in series for role in one.roles()}:
        by_group[role.group].append(role)
    head = ["", *(one.side for one in series)]
    rows = [_row(head), _row(["---", *("---:" for _ in series)])]
    ours = [role for group, roles in by_group.items() if group not in NOT_OURS for role in roles]
    rows.append(_row(["**all**", *(f"**{_cell(one, ours)}**" for one in series)]))
    for group, roles in by_group.items():
        if not roles:
            continue
        rows.append(_row([f"**{group}**", *(f"**{_cell(one, roles)}**" for one in series)]))
        if len(roles) == 1 and group in NOT_OURS:
            continue
        large = [role for role in roles if any(one.ms([role]) >= _LEAST_MS for one in series)]
        large.sort(key=lambda role: -max(one.ms([role]) for one in series))
        rows += (_row([f"{group}: {role.name}", *(_cell(one, [role]) for one in series)]) for role in large)
    rows.append(_row(["not charged to any task", *(f"{one.unaccounted:.2f}" for one in series)]))
    rows.append(_row(["wall seconds of the batch", *(f"{one.seconds:.2f}" for one in series)]))
    return "\n".join(rows) + "\n"


def document(series: Iterable[Series]) -> list[dict[str, Any]]:
    """Return the same as a document to keep: medians for each role, and the totals of each run."""
    return [
        {
            "side": one.side,
            "phase": one.phase,
            "pods": one.pods,
            "seconds": [round(run.seconds, 3) for run in one.runs],
            "machine_cpu_seconds": [round(run.machine, 2) for run in one.runs],
            "ms_a_pod": [
                round(
                    sum(ns for role, ns in run.account.nanoseconds.items() if role.group not in NOT_OURS)
                    / 1e6
                    / one.pods,
                    2,
                )
                for run in one.runs
            ],
            "not_charged_ms_a_pod": round(one.unaccounted, 2),
            "roles": [
                {
                    "group": role.group,
                    "role": role.name,
                    "ms_a_pod": round(one.ms([role]), 3),
                    "executions_a_pod": round(one.executions([role]), 2),
                }
                for role in sorted(one.roles(), key=lambda role: (GROUPS.index(role.group), role.name))
            ],
        }
        for one in series
    ]


def _cell(one: Series, roles: Sequence[Role]) -> str:
    times = one.executions(roles)
    return f"{one.ms(roles):.2f}" + (f" ({times:.1f}×)" if times else "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
