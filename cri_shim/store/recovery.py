"""Making the stores agree with containerd: at start, and whenever the event stream had been broken.

One function for both: what is in containerd and not here is loaded, what is here is checked against the task list, what
has gone is forgotten. Nothing that lies in containerd can stop it: a record that cannot be read is logged, and listed
as unknown so that it can be removed, where at least its kind and id are known.
(BEHAVIOUR 2.10; containerd pkg/cri/server/restart.go)
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from containerd_client import ContainerdError, NotFound
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import AlreadyExistsError
from cri_shim.kernel.executors import FS, run
from cri_shim.store.checkpoint_work import end_cut_off
from cri_shim.store.exits import UNKNOWN_EXIT, UNKNOWN_EXIT_CODE
from cri_shim.store.load import load_container, load_sandbox
from cri_shim.store.metadata import KIND_LABEL
from cri_shim.store.orphans import remove_orphans
from cri_shim.store.owned_snapshots import remove_orphaned_snapshots
from cri_shim.store.pod_directories import are_pinned, let_go

if TYPE_CHECKING:
    from collections.abc import Sequence

    from containerd_client import Containerd
    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from containerd_client.api.containerd.v1.types.types_pb2 import Process
    from cri_shim.kernel import Kernel
    from cri_shim.logs.registry import ContainerLogs
    from cri_shim.paths import Paths
    from cri_shim.store.containers import Container
    from cri_shim.store.exits import Exits
    from cri_shim.store.index import Index
    from cri_shim.store.names import Names
    from cri_shim.store.sandboxes import Sandbox

_TASK_LOOK_SECONDS = 10.0
_AT_ONCE = 16

log = structlog.get_logger(__name__)


class Recovery:
    """Reads containerd anew into the stores."""

    def __init__(
        self,
        *,
        containerd: Containerd,
        kernel: Kernel,
        paths: Paths,
        sandboxes: Index[Sandbox],
        containers: Index[Container],
        sandbox_names: Names,
        container_names: Names,
        logs: ContainerLogs,
        exits: Exits,
        snapshotters: Sequence[str],
    ) -> None:
        self._containerd = containerd
        self._kernel = kernel
        self._paths = paths
        self._sandboxes = sandboxes
        self._containers = containers
        self._sandbox_names = sandbox_names
        self._container_names = container_names
        self._logs = logs
        self._exits = exits
        self._snapshotters = snapshotters
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Make the stores agree with containerd; raises ContainerdError when containerd goes away meanwhile."""
        sandboxes = await self._containerd.containers.list(f'labels."{KIND_LABEL}"==sandbox')
        containers = await self._containerd.containers.list(f'labels."{KIND_LABEL}"==container')
        tasks = {task.id: task for task in await self._containerd.tasks.list()}
        await asyncio.gather(*(self._sandbox(record, tasks) for record in sandboxes))
        await asyncio.gather(*(self._container(record, tasks) for record in containers))
        known = {record.id for record in (*sandboxes, *containers)}
        self._forget_vanished(known)
        await self._remove_orphans(known)
        log.info("recovery.done", sandboxes=len(self._sandboxes), containers=len(self._containers))

    async def _sandbox(self, record: Record, tasks: dict[str, Process]) -> None:
        async with self._places:
            sandbox = self._sandboxes.find(record.id)
            if sandbox is None:
                sandbox = load_sandbox(record, self._kernel)
                if not self._take_name(self._sandbox_names, sandbox.name, record.id):
                    return
                self._sandboxes.put(sandbox)
                if sandbox.trouble:
                    log.error("recovery.sandbox_unreadable", sandbox_id=record.id, error=sandbox.trouble)
            if sandbox.pinned is not None:
                # Never complete, stopped, or a reboot: whatever it was, there is no way back.
                if not sandbox.begun or not await run(FS, are_pinned, self._kernel, sandbox):
                    let_go(self._sandboxes, record.id)
                return
            if sandbox.starting:
                return  # the start in hand knows best
            process = await self._process(record.id, tasks)
            if process is not None and process.status in (task_types.RUNNING, task_types.PAUSED):
                self._sandboxes.update(record.id, lambda s: s.but(pid=process.pid, exited_at=0))
            elif process is None or process.status == task_types.CREATED:
                # Never started, or a reboot: there is nothing to wait for.
                self._sandboxes.update(record.id, lambda s: s.but(pid=0, exited_at=s.exited_at or time.time_ns()))
                await self._discard(process)
            else:
                await self._tell_exit(process)

    async def _container(self, record: Record, tasks: dict[str, Process]) -> None:
        async with self._places:
            container = self._containers.find(record.id)
            was_followed = container is not None
            if container is None:
                container = load_container(record, self._paths)
                if not self._take_name(self._container_names, container.name, record.id):
                    return
                self._containers.put(container)
                if container.trouble:
                    log.warning("recovery.container_unreadable", container_id=record.id, error=container.trouble)
            elif container.starting:
                return  # the start in hand knows best
            process = await self._process(record.id, tasks)
            if process is None:
                await self._without_task(container, was_followed=was_followed)
            elif process.status in (task_types.RUNNING, task_types.PAUSED):
                self._running(container, process)
                await self._exits.begin(record.id)
                paused = process.status == task_types.PAUSED
                await end_cut_off(self._containerd, self._paths, record.id, paused=paused)
            elif process.status == task_types.CREATED:
                await self._discard(process)
            else:
                self._collect_logs(container)
                await self._tell_exit(process)

    async def _process(self, id_: str, tasks: dict[str, Process]) -> Process | None:
        """The task of a record; the list leaves out those whose shim does not answer, so ask for them one by one."""
        listed = tasks.get(id_)
        if listed is not None and listed.status != task_types.UNKNOWN:
            return listed
        try:
            async with asyncio.timeout(_TASK_LOOK_SECONDS):
                return await self._containerd.tasks.get(id_)
        except NotFound:
            return None
        except (ContainerdError, TimeoutError) as error:
            log.warning("recovery.task_unreadable", id=id_, error=str(error) or "no answer")
            return None

    async def _without_task(self, container: Container, *, was_followed: bool) -> None:
        """Its process has gone and its exit code with it, unless it never ran, or its shim can still tell."""
        if container.state == cri.CONTAINER_CREATED or container.status.finished_at:
            return
        self._collect_logs(container)
        if was_followed:
            self._exits.expect(container.id)
        else:
            await self._exits.ended(container.id, UNKNOWN_EXIT_CODE, time.time_ns(), reason=UNKNOWN_EXIT)

    def _running(self, container: Container, process: Process) -> None:
        if container.status.finished_at:
            why = f"its process {process.pid} runs although it was seen to end"
            self._containers.update(container.id, lambda c: c.but(trouble=why))
            return
        started = container.status.started_at or container.status.created_at or time.time_ns()
        self._containers.update(container.id, lambda c: c.but_status(pid=process.pid, started_at=started))
        self._resume_logs(container, process)

    def _resume_logs(self, container: Container, process: Process) -> None:
        if self._logs.follows(container.id):
            return
        try:
            self._logs.resume(container.id, container.log_path, process)
        except OSError as error:
            log.error("recovery.log_not_resumed", container_id=container.id, error=str(error))

    def _collect_logs(self, container: Container) -> None:
        """What it wrote before it ended and nobody was there to read (:mod:`cri_shim.logs.fifo_holder`)."""
        if self._logs.follows(container.id):
            return
        try:
            self._logs.collect(container.id, container.log_path, tty=container.config.tty)
        except OSError as error:
            log.warning("recovery.log_not_collected", container_id=container.id, error=str(error))

    async def _tell_exit(self, process: Process) -> None:
        at_ns = process.exited_at.ToNanoseconds()
        await self._exits.ended(process.id, process.exit_status, at_ns)

    async def _discard(self, process: Process | None) -> None:
        """A task that was made and never started is of no use: its daemon died in between."""
        if process is None:
            return
        try:
            await self._containerd.tasks.delete(process.id)
        except ContainerdError as error:
            log.warning("recovery.task_not_deleted", id=process.id, error=str(error))

    @staticmethod
    def _take_name(names: Names, name: str, id_: str) -> bool:
        """False for a record whose making is still in hand: its name is reserved for it, it is not stored yet."""
        if names.holder(name) == id_:
            return False
        try:
            names.reserve(name, id_)
        except AlreadyExistsError as error:
            # Fatal to the in-process plugin once (containerd issue 6095). Listed all the same, so it can be removed.
            log.error("recovery.duplicate_name", id=id_, error=str(error))
        return True

    def _forget_vanished(self, known: set[str]) -> None:
        """Somebody removed records behind our back; what is being made is not stored yet and so not touched."""
        for container in self._containers:
            if container.id not in known:
                log.warning("recovery.container_vanished", container_id=container.id)
                self._logs.close(container.id)
                self._containers.drop(container.id)
                self._container_names.release(container.id)
        for sandbox in self._sandboxes:
            if sandbox.id not in known and not sandbox.trouble:
                log.warning("recovery.sandbox_vanished", sandbox_id=sandbox.id)
                self._sandboxes.drop(sandbox.id)
                self._sandbox_names.release(sandbox.id)

    async def _remove_orphans(self, known: set[str]) -> None:
        """What has no record: a crash came between the two. What is being made is spared: it holds its name."""

        def living() -> set[str]:
            return known | self._sandbox_names.holders() | self._container_names.holders()

        await remove_orphans(self._kernel, self._paths, living)
        removed = await remove_orphaned_snapshots(self._containerd, self._snapshotters, living)
        if removed:
            log.info("recovery.snapshots_removed", snapshots=removed)
