"""Add up a trace of the scheduler: the CPU time of each role, and how often its programs were executed."""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.measuring.program_roles import IN_CONTAINERS, SHIM, Role, of_task, role_of
from lab.measuring.scheduler_trace import Charged, Executed, Forked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lab.measuring.exec_listener import Exec
    from lab.measuring.scheduler_trace import Event

ELSEWHERE: Final = Role("elsewhere", "other processes of this machine")
_KERNEL: Final = Role("kernel", "kernel")
_KTHREADD: Final = 2
_LATE: Final = 0.1
"""How many seconds the report of an exec may come after the exec."""


@dataclass(slots=True)
class Program:
    """What one or several tasks execute: its role, and its CPU time by task."""

    role: Role
    main: int = 0
    """The process id if the main thread is shown apart from the other threads, or 0."""
    nanoseconds: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))


@dataclass(slots=True)
class Account:
    """The CPU time and the number of executions of each role."""

    nanoseconds: Counter[Role] = field(default_factory=Counter)
    executions: Counter[Role] = field(default_factory=Counter)


class Arguments:
    """The arguments of executed programs, as an exec listener has found them."""

    def __init__(self, seen: Iterable[tuple[Exec, Sequence[str]]] = ()) -> None:
        self._seen: dict[int, list[tuple[float, Sequence[str]]]] = defaultdict(list)
        for report, arguments in sorted(seen, key=lambda each: each[0]):
            self._seen[report.pid].append((report.nanoseconds / 1e9, arguments))

    def of(self, executed: Executed) -> Sequence[str]:
        """Return those of an exec: of the first report of its process after it; none if there was no such report."""
        reports = self._seen.get(executed.pid, [])
        index = bisect_left(reports, executed.seconds - 1e-6, key=lambda report: report[0])
        if index < len(reports) and reports[index][0] < executed.seconds + _LATE:
            return reports[index][1]
        return ()


def add_up(events: Iterable[Event], living: Mapping[int, Program], arguments: Arguments) -> Account:
    """Return the account of a trace. ``living`` are the programs of the tasks that lived when it began."""
    tasks = dict(living)
    programs = list({id(program): program for program in living.values()}.values())
    elsewhere = Program(ELSEWHERE)
    programs.append(elsewhere)
    account = Account()
    for event in events:
        match event:
            case Charged(comm, pid, nanoseconds):
                tasks.get(pid, elsewhere).nanoseconds[pid, comm] += nanoseconds
            case Forked(parent, child):
                tasks[child] = tasks.get(parent, elsewhere)
            case Executed(_, path, pid):
                before = tasks.get(pid, elsewhere)
                role = _executed(event, path, before, arguments)
                account.executions[role] += 1
                if pid != before.main:
                    _book_spawning(account, before, pid)
                tasks[pid] = Program(role)
                programs.append(tasks[pid])
    for program in programs:
        for (pid, comm), nanoseconds in program.nanoseconds.items():
            account.nanoseconds[_task_role(program, pid, comm)] += nanoseconds
    return account


def living_programs(named: Mapping[int, str], shims: Iterable[int], client: Iterable[int]) -> dict[int, Program]:
    """Return the programs of the tasks that live now: of the named daemons, of shims, of the client, of the kernel.

    What one of them has started earlier belongs to it. All others are elsewhere.
    """
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            children[int(fields[1])].append(int(stat.parent.name))
    clients, kernel = Program(Role("client", "client")), Program(_KERNEL)
    roots = dict.fromkeys(client, (clients, clients)) | {_KTHREADD: (kernel, kernel)}
    for pid, name in named.items():
        daemon = Program(Role("daemons", name), pid if _in_python(pid) else 0)
        roots[pid] = (daemon, Program(Role("daemons", f"{name}: child processes")))
    serving, contained = Program(SHIM), Program(Role("containers", IN_CONTAINERS))
    roots |= dict.fromkeys(shims, (serving, contained))
    living: dict[int, Program] = {}
    for root, (own, below) in roots.items():
        to_visit = [root]
        while to_visit:
            pid = to_visit.pop()
            with contextlib.suppress(OSError):
                tasks = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
                living |= dict.fromkeys(tasks, own if pid == root else below)
            to_visit += (child for child in children[pid] if child not in roots)
    return living


def _in_python(pid: int) -> bool:
    """Return whether a process runs Python, whose event loop is in the main thread."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/exe").readlink().name.startswith("python")
    return False


def _executed(event: Executed, path: str, before: Program, arguments: Arguments) -> Role:
    if before.role.group in ("elsewhere", "client"):
        return before.role
    words = arguments.of(event)
    stages = any(comm.startswith("runc:[") for pid, comm in before.nanoseconds if pid == event.pid)
    return role_of(path, words, Role("runc", "runc init") if stages else before.role)


def _book_spawning(account: Account, before: Program, pid: int) -> None:
    """Book what a process has used between its fork and its exec; what runc has used in it was work of its own."""
    for key in [key for key in before.nanoseconds if key[0] == pid]:
        role = _task_role(before, *key)
        if role.group == "daemons":
            role = Role("daemons", f"{before.role.name}: forks of programs")
        account.nanoseconds[role] += before.nanoseconds.pop(key)


def _task_role(program: Program, pid: int, comm: str) -> Role:
    role = of_task(program.role, comm)
    if program.main and role.group == "daemons":
        return Role("daemons", f"{role.name}: {'main thread' if pid == program.main else 'other threads'}")
    return role
