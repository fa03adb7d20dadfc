"""Make steps of a pod start out of what the kernel reported of processes: who ran which program, and until when."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from lab.measuring.process_connector import READY
from lab.measuring.program_roles import IN_CONTAINERS, Role, role_of
from lab.pod_starts import process_listener
from lab.pod_starts.form import Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PART_OF_GROUP: Final = {
    "runc": "runc",
    "shims": "shim",
    "CNI": "CNI",
    "containers": "container",
    "other programs": "program",
}
_SERVING: Final = "serving"
_OTHER: Final = "other programs"
_UNKNOWN: Final = "?"


class ProcessReports:
    """``with ProcessReports() as reports``: afterwards ``reports.events`` has what happened meanwhile."""

    def __init__(self) -> None:
        """Nothing is started yet."""
        self.events: list[list[Any]] = []

    def __enter__(self) -> Self:
        """Begin to listen."""
        command = [sys.executable, "-m", "lab.pod_starts.process_listener"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != READY:
            raise RuntimeError("the kernel does not report processes: root is needed, and CONFIG_PROC_EVENTS")
        return self

    def __exit__(self, *error: object) -> None:
        """Stop listening, and read the events."""
        printed, _ = self._process.communicate(timeout=60)
        self.events = [json.loads(line) for line in printed.splitlines()]


@dataclass(slots=True)
class _Execution:
    runner: str
    role: Role
    command: str
    began: int
    ended: int | None = None


@dataclass(slots=True)
class Executions:
    """The programs that descend from the daemons: ``daemons`` has the part that each process plays."""

    daemons: Mapping[int, str]
    all: list[_Execution] = field(default_factory=list)
    _parents: dict[int, int] = field(default_factory=dict)
    _roles: dict[int, Role] = field(default_factory=dict)
    _running: dict[int, _Execution] = field(default_factory=dict)
    _lost: bool = False

    def read(self, events: Sequence[Sequence[Any]]) -> Self:
        """Take the events of a listener, in their order."""
        for event in sorted(events, key=lambda one: one[1]):
            match event:
                case ["fork", _, child, parent]:
                    self._parents[child] = parent
                    if parent in self._roles:
                        self._roles[child] = self._roles[parent]
                case ["exec", at, pid, program, arguments, command, inside]:
                    self._executed(at, pid, _Program(program, arguments, command, inside))
                case [process_listener.LOST, _]:
                    self._lost = True
                case ["exit", at, pid] if pid in self._running:
                    self._running.pop(pid).ended = at
        return self

    @property
    def complete(self) -> bool:
        """Whether the kernel reported everything, and the name of each program could be read before it ended."""
        return not self._lost and not any(_UNKNOWN in one.role.name for one in self.all)

    def _executed(self, at: int, pid: int, program: _Program) -> None:
        parent = self._parents.get(pid, 0)
        known = self._roles.get(pid)
        if known is None and parent not in self.daemons:
            return  # a program of something else on this machine
        runner = self.daemons.get(parent) or self._part(self._roles.get(parent, known or Role("", "")))
        role = self._roles[pid] = program.role(known or Role("daemons", runner))
        if before := self._running.pop(pid, None):  # the process goes on as another program
            if before.role.group == role.group:  # which does the same, as a wrapper around runc
                before.role = role if _UNKNOWN in before.role.name else before.role
                self._running[pid] = before
                return
            before.ended = at
        if role.group in _PART_OF_GROUP and (role.group != _OTHER or parent in self.daemons):
            execution = _Execution(runner, role, program.command, at)
            self.all.append(execution)
            self._running[pid] = execution

    def _part(self, role: Role) -> str:
        return _PART_OF_GROUP.get(role.group, role.group)

    def steps(self, zero: int, until: int) -> list[Step]:
        """Return what began between two moments; programs that the CNI plugins run themselves are left out."""
        made = []
        for one in self.all:
            if not zero <= one.began <= until or one.runner in {"CNI", "container"}:
                continue
            part = _PART_OF_GROUP[one.role.group]
            name = one.role.name
            runner, what, lasts = one.runner, name, not name.endswith(_SERVING)
            if name == IN_CONTAINERS:
                runner, what, lasts = "runc", "the container's program", False
            elif one.role.group == "CNI":
                what = f"{name} {one.command}".strip()
            milliseconds = ((one.ended or until) - one.began) / 1e6 if lasts else 0.0
            made.append(Step(runner, part, what, (one.began - zero) / 1e6, milliseconds, "process"))
        return made


@dataclass(frozen=True, slots=True)
class _Program:
    file: str
    arguments: list[str]
    command: str
    inside: bool

    def role(self, before: Role) -> Role:
        """Return the role of the program in a process that had another one before, or whose parent has."""
        if not self.arguments:
            return Role(_OTHER, _UNKNOWN)
        name = self.arguments[0].rpartition("/")[2]
        if name == "runc" and self.arguments[1:2] == ["init"]:
            return Role("runc", "runc init")  # a sealed copy of runc, whose file has no name
        role = role_of(self.file or _UNKNOWN, self.arguments, before)
        if role.group != _OTHER:
            return role
        if self.inside:
            return Role("containers", IN_CONTAINERS)
        is_script = name == "sh" and len(self.arguments) > 1 and "/" in self.arguments[1]
        return Role(_OTHER, self.arguments[1].rpartition("/")[2] if is_script else name)
