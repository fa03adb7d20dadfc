"""Tasks and their processes, in memory: the part of the shims and of runc.

Process ids are above what the kernel gives out, so that a signal sent to one by mistake reaches nothing;
``FakeContainerd.give_pid`` lends a task a real one where a test needs ``/proc``.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from tests.fakes.containerd.programs import Program, program_of
from tests.fakes.containerd.state import NEVER, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.any_pb2 import Any
    from google.protobuf.timestamp_pb2 import Timestamp

    from containerd_client.api.containerd.types import types_pb2
    from tests.fakes.containerd.bus import Bus
    from tests.fakes.containerd.state import State

FIRST_PID = 5_000_000
"""Above /proc/sys/kernel/pid_max, which is 4194304 at most."""
KILLED = 137


@dataclass
class Process:
    """A container's own process, whose ``exec_id`` is empty, or one that was added by Exec."""

    container_id: str
    exec_id: str
    program: Program
    stdin: str = ""
    stdout: str = ""
    stderr: str = ""
    terminal: bool = False
    pid: int = 0
    """0 for an exec process that was not started."""
    status: task_types.Status.ValueType = task_types.CREATED
    exit_status: int = 0
    exited_at: Timestamp = field(default_factory=lambda: NEVER)
    signals: list[int] = field(default_factory=list)
    """What was sent to it, in order."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _open: list[int] = field(default_factory=list)

    @property
    def id(self) -> str:
        """As events and Get name it."""
        return self.exec_id or self.container_id

    def open_output(self) -> None:
        """Open the FIFOs to write to, as the shim does; paths that are no FIFOs are left alone."""
        for path in (self.stdout, self.stderr):
            if path.startswith("/") and os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode):
                self._open.append(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))

    def write(self, data: bytes, error_data: bytes = b"") -> None:
        """Write to the FIFOs, as far as they take it."""
        for descriptor, piece in zip(self._open, (data, error_data), strict=False):
            if piece:
                os.write(descriptor, piece)

    def close_output(self) -> None:
        """Close the FIFOs, which the daemon reads as the end of the output."""
        while self._open:
            os.close(self._open.pop())


@dataclass
class Task:
    """A container's task. It lives from Create to Delete, and longer than the daemon."""

    container_id: str
    init: Process
    bundle: str
    rootfs: list[types_pb2.Mount] = field(default_factory=list)
    execs: dict[str, Process] = field(default_factory=dict)
    status: task_types.Status.ValueType = task_types.UNKNOWN
    """PAUSED while the whole task is paused; UNKNOWN says that each process has a state of its own."""
    resources: list[Any] = field(default_factory=list)
    """What Update was given, in order."""
    checkpoints: list[Any] = field(default_factory=list)
    """The options that Checkpoint was given, in order."""
    shim_gone: asyncio.Event = field(default_factory=asyncio.Event)

    def processes(self) -> Iterator[Process]:
        """All processes, the container's own one last."""
        yield from self.execs.values()
        yield self.init

    def status_of(self, process: Process) -> task_types.Status.ValueType:
        """Return a process's state: a pause holds for all that have not ended."""
        paused = self.status == task_types.PAUSED and self.init.status == task_types.RUNNING
        return task_types.PAUSED if paused else process.status


class Processes:
    """Make processes, end them, and publish what shims publish about them."""

    def __init__(self, state: State, bus: Bus) -> None:
        self._state = state
        self._bus = bus
        self._next_pid = FIRST_PID
        self.given_pids: dict[tuple[str, str], int] = {}
        """Real pids by container and exec id, to use instead of made-up ones."""
        self.program: Callable[[Process, list[str]], Program] | None = None
        """Decides what a process does; None leaves it to the command line."""

    def new_pid(self, container_id: str, exec_id: str) -> int:
        """Return the pid for a process."""
        given = self.given_pids.pop((container_id, exec_id), None)
        if given is not None:
            return given
        self._next_pid += 1
        return self._next_pid

    def choose_program(self, process: Process, spec: bytes, *, is_exec: bool) -> None:
        """Set what a process does, from its runtime spec."""
        document = json.loads(spec or b"{}")
        arguments = [str(one) for one in (document if is_exec else document.get("process") or {}).get("args") or []]
        chosen = self.program(process, arguments) if self.program else None
        process.program = chosen or program_of(arguments, is_exec=is_exec)

    def start(self, namespace: str, process: Process) -> None:
        """Let a created process run; one that ends by itself does so after this."""
        if not process.pid:
            process.pid = self.new_pid(process.container_id, process.exec_id)
        process.status = task_types.RUNNING
        if process.exec_id:
            started = events_pb2.TaskExecStarted(
                container_id=process.container_id, exec_id=process.exec_id, pid=process.pid
            )
            self._bus.publish(namespace, "/tasks/exec-started", started)
            process.open_output()
        else:
            self._bus.publish(
                namespace, "/tasks/start", events_pb2.TaskStart(container_id=process.container_id, pid=process.pid)
            )
        process.write(process.program.output, process.program.error_output)
        if process.program.exits is not None:
            self._end_soon(namespace, process, process.program.exits)

    def signal(self, namespace: str, process: Process, number: int) -> None:
        """Send a signal; a process that ends by it does so after this."""
        process.signals.append(number)
        code = process.program.end_by(number)
        if code is not None:
            self._end_soon(namespace, process, code)

    def exit(self, namespace: str, task: Task, code: int, exec_id: str = "") -> None:
        """End a process; with the container's own one the kernel ends all the others, which are reported first."""
        if exec_id:
            self._end(namespace, task.execs[exec_id], code)
            return
        for process in task.execs.values():
            if process.status == task_types.RUNNING:
                self._end(namespace, process, KILLED)
        self._end(namespace, task.init, code)

    def lose_shim(self, namespace: str, task: Task) -> None:
        """Have the shim die, with all processes: the daemon notices, tells how it ended, and forgets the task."""
        task.shim_gone.set()
        for process in task.processes():
            process.close_output()
        self._state[namespace].tasks.pop(task.container_id, None)
        ended = events_pb2.TaskExit(
            container_id=task.container_id,
            id=task.container_id,
            pid=task.init.pid,
            exit_status=KILLED,
            exited_at=now(),
        )
        self._bus.publish(namespace, "/tasks/exit", ended)
        deleted = events_pb2.TaskDelete(
            container_id=task.container_id, pid=task.init.pid, exit_status=KILLED, exited_at=ended.exited_at
        )
        self._bus.publish(namespace, "/tasks/delete", deleted)

    def _end_soon(self, namespace: str, process: Process, code: int) -> None:
        asyncio.get_running_loop().call_soon(self._end_if_there, namespace, process, code)

    def _end_if_there(self, namespace: str, process: Process, code: int) -> None:
        task = self._state[namespace].tasks.get(process.container_id)
        if task is None or process not in task.processes():
            return
        if process is task.init:
            self.exit(namespace, task, code)
        else:
            self._end(namespace, process, code)

    def _end(self, namespace: str, process: Process, code: int) -> None:
        if process.status == task_types.STOPPED:
            return
        process.status = task_types.STOPPED
        process.exit_status = code
        process.exited_at = now()
        process.close_output()
        ended = events_pb2.TaskExit(
            container_id=process.container_id,
            id=process.id,
            pid=process.pid,
            exit_status=code,
            exited_at=process.exited_at,
        )
        self._bus.publish(namespace, "/tasks/exit", ended)
        process.ended.set()
