"""Make one pod or container agree with what a poll of its task has found.

A running process is followed again, an exit is recorded, a task that was made and never started is deleted. Without an
answer nothing that is stored changes: the pod or container is shown as unknown, and its task is polled again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from containerd_client import ContainerdError
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from containerd_client.encoding.timestamps import nanoseconds
from containerd_client.exits import exit_code
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.sync.checkpoint_work import end_cut_off
from cri_shim.sync.exits import UNKNOWN_EXIT, UNKNOWN_EXIT_CODE
from cri_shim.sync.task_poll import ALIVE, Absent, NotKnown

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from containerd_client import Containerd
    from containerd_client.api.containerd.v1.types.types_pb2 import Process
    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.logs.registry import ContainerLogs
    from cri_shim.paths import Paths
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.sync.exits import Exits
    from cri_shim.sync.task_poll import PolledTask
    from cri_shim.sync.unanswered import Unanswered

PATIENCE_SECONDS: Final = 4.0
"""How long recovery waits for the rest of an interrupted end or start, which then goes on in the background."""

log = structlog.get_logger(__name__)


class TaskStates:
    """Applies the results of polls to the stores."""

    def __init__(
        self,
        *,
        containerd: Containerd,
        paths: Paths,
        sandboxes: Index[Sandbox],
        containers: Index[Container],
        logs: ContainerLogs,
        exits: Exits,
        supervisor: Supervisor,
        unanswered: Unanswered,
    ) -> None:
        self._containerd = containerd
        self._paths = paths
        self._sandboxes = sandboxes
        self._containers = containers
        self._logs = logs
        self._exits = exits
        self._supervisor = supervisor
        self._unanswered = unanswered

    async def sandbox(self, id_: str, polled: PolledTask) -> None:
        """Make the pod ``id_`` agree with ``polled``."""
        sandbox = self._sandboxes.exact(id_)
        if sandbox is None or sandbox.starting:
            return  # the start in progress decides
        if isinstance(polled, NotKnown):
            if not sandbox.exited_at:
                self._unanswered.add(id_, polled.reason, lambda answer: self.sandbox(id_, answer))
            return
        self._unanswered.clear(id_)
        if isinstance(polled, Absent) or polled.status == task_types.CREATED:
            # It was never started, or the node rebooted, so no exit will come.
            self._sandboxes.update(id_, lambda s: s.replace(pid=0, exited_at=s.exited_at or time.time_ns()))
            if not isinstance(polled, Absent):
                await self._patiently(id_, self._discard(id_))
        elif polled.status in ALIVE:
            self._sandboxes.update(id_, lambda s: s.replace(pid=polled.pid, exited_at=0))
        else:
            await self._report_exit(polled)

    async def container(self, id_: str, polled: PolledTask, *, was_followed: bool = False) -> None:
        """Make the container ``id_`` agree with ``polled``; ``was_followed``: this daemon saw it run."""
        container = self._containers.exact(id_)
        if container is None or container.starting or container.undo_pending:
            return  # the start in progress, or its undo, decides
        if isinstance(polled, NotKnown):
            self._in_doubt(container, polled, was_followed=was_followed)
            return
        self._unanswered.clear(id_)
        container = self._containers.get(id_)
        if isinstance(polled, Absent):
            await self._without_task(container, was_followed=was_followed)
        elif polled.status == task_types.CREATED:
            await self._patiently(id_, self._discard(id_))
        elif polled.status in ALIVE:
            self._running(container, polled)
            await self._exits.begin(id_)
            paused = polled.status != task_types.RUNNING
            await self._patiently(id_, end_cut_off(self._containerd, self._paths, id_, paused=paused))
        else:
            self._collect_logs(container)
            await self._report_exit(polled)

    def _in_doubt(self, container: Container, polled: NotKnown, *, was_followed: bool) -> None:
        if container.status.finished_at and not container.unknown_reason:
            return  # its end is known
        id_ = container.id
        self._unanswered.add(id_, polled.reason, lambda answer: self.container(id_, answer, was_followed=was_followed))
        if container.status.started_at and not container.config.stdin:
            # If it runs, its output must not be blocked until containerd answers.
            self._collect_logs(container)

    async def _without_task(self, container: Container, *, was_followed: bool) -> None:
        """Record an unknown exit of a container without a task, unless it never ran or its shim may still report."""
        if container.state == cri.CONTAINER_CREATED or container.status.finished_at:
            return
        if was_followed and not container.status.started_at:
            return  # its creation failed and could not be undone: it stays unknown, because no process has ended
        self._collect_logs(container)
        if was_followed:
            self._exits.await_lost_exit(container.id)
        else:
            end = self._exits.ended(container.id, UNKNOWN_EXIT_CODE, time.time_ns(), reason=UNKNOWN_EXIT)
            await self._patiently(container.id, end)

    def _running(self, container: Container, process: Process) -> None:
        if container.status.finished_at:
            why = f"its process {process.pid} runs although its end was recorded"
            self._containers.update(container.id, lambda c: c.replace(unknown_reason=why))
            return
        started = container.status.started_at or container.status.created_at or time.time_ns()
        self._containers.update(container.id, lambda c: c.with_status(pid=process.pid, started_at=started))
        self._resume_logs(container, process)

    def _resume_logs(self, container: Container, process: Process) -> None:
        if self._logs.follows(container.id):
            return
        try:
            self._logs.resume(container.id, container.log_path, process)
        except OSError as error:
            log.error("recovery.log_not_resumed", container_id=container.id, error=str(error))

    def _collect_logs(self, container: Container) -> None:
        """Collect what it wrote before it ended, while no daemon was reading (:mod:`cri_shim.logs.fifo_holder`)."""
        if self._logs.follows(container.id):
            return
        try:
            self._logs.collect(container.id, container.log_path, tty=container.config.tty)
        except OSError as error:
            log.warning("recovery.log_not_collected", container_id=container.id, error=str(error))

    async def _report_exit(self, process: Process) -> None:
        at_ns = nanoseconds(process.exited_at)
        await self._patiently(process.id, self._exits.ended(process.id, exit_code(process.exit_status), at_ns))

    async def _discard(self, id_: str) -> None:
        """Delete a task that was made and never started, because the daemon that made it died in between."""
        try:
            await self._containerd.tasks.delete(id_)
        except ContainerdError as error:
            log.warning("recovery.task_not_deleted", id=id_, error=str(error))

    async def _patiently(self, id_: str, work: Coroutine[Any, Any, None]) -> None:
        """Wait for ``work``, but not for long, because one pod whose shim hangs must not delay all others."""
        await self._supervisor.wait_a_while(f"recover/{id_[:12]}", work, PATIENCE_SECONDS)
