"""Make the stores agree with containerd, at the start and whenever the event stream was interrupted.

One function serves both cases: it loads what only containerd has, checks what the stores have against the task list,
and drops what is gone from containerd. Nothing that containerd holds can stop it: a record that cannot be read is
logged, and if at least its kind and id are known, it is listed as unknown so that it can be removed.
(docs/adr/0002; containerd pkg/cri/server/restart.go)
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import structlog

from containerd_client import call_options
from cri_shim.disk.pod_directories import are_pinned, mark_exited
from cri_shim.errors import AlreadyExistsError
from cri_shim.kernel.executors import FS, run
from cri_shim.os_errors import cri_error_of
from cri_shim.state.stored.metadata import KIND_LABEL
from cri_shim.sync.load import load_container, load_sandbox
from cri_shim.sync.orphans import remove_orphaned_files
from cri_shim.sync.owned_snapshots import remove_orphaned_snapshots
from cri_shim.sync.task_poll import poll_task, poll_tasks
from cri_shim.sync.task_states import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from containerd_client import Containerd
    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.kernel import Kernel
    from cri_shim.logs.registry import ContainerLogs
    from cri_shim.paths import Paths
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.names import Names
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.sync.task_poll import PolledTask
    from cri_shim.sync.task_states import TaskStates
    from cri_shim.sync.unanswered import Unanswered
    from cri_shim.sync.unread_status import UnreadStatus

_AT_ONCE: Final = 16
_LIST_SECONDS: Final = 10.0
"""The time limit for both lists of records together."""

_ID: Final = re.compile(r"[A-Za-z0-9]+([._-][A-Za-z0-9]+)*")
"""What containerd allows as an id. Ids become parts of paths, so nothing else is taken up."""

log = structlog.get_logger(__name__)


class Recovery:
    """Reads containerd's records into the stores, and applies the states of the tasks to them."""

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
        states: TaskStates,
        unanswered: Unanswered,
        unread: UnreadStatus,
        supervisor: Supervisor,
        snapshotters: Sequence[str],
        clear_orphaned_tasks: Callable[[Callable[[], set[str]]], Awaitable[None]],
        detach_orphaned: Callable[[str, str], Awaitable[None]],
        being_read: Callable[[], Collection[str]],
        belongs: Callable[[Record], bool] = lambda _: True,
    ) -> None:
        """Set the recovery up.

        ``being_read`` returns the names of what is mounted while images are read. A record for which ``belongs`` is
        False counts as another client's.
        """
        self._containerd = containerd
        self._kernel = kernel
        self._paths = paths
        self._sandboxes = sandboxes
        self._containers = containers
        self._sandbox_names = sandbox_names
        self._container_names = container_names
        self._logs = logs
        self._states = states
        self._unanswered = unanswered
        self._unread = unread
        self._supervisor = supervisor
        self._snapshotters = snapshotters
        self._clear_orphaned_tasks = clear_orphaned_tasks
        self._detach_orphaned = detach_orphaned
        self._being_read = being_read
        self._belongs = belongs
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Make the stores agree with containerd; raises ContainerdError when containerd goes away meanwhile.

        Tasks that do not answer delay this by a few seconds at most, however many there are.
        """
        before = {value.id for index in (self._sandboxes, self._containers) for value in index}
        with call_options(timeout=_LIST_SECONDS):
            sandboxes = await self._records("sandbox")
            containers = await self._records("container")
        pods = [sandbox for record in sandboxes if (sandbox := self._loaded_sandbox(record)) is not None]
        followed = {record.id for record in containers if record.id in self._containers}
        members = [container for record in containers if (container := self._loaded_container(record)) is not None]
        with_task = [pod.id for pod in pods if pod.pinned is None]
        polled = await poll_tasks(self._containerd, [*with_task, *(member.id for member in members)])
        await asyncio.gather(*(self._sandbox(pod, polled) for pod in pods))
        await asyncio.gather(
            *(self._container(member, polled, was_followed=member.id in followed) for member in members)
        )
        known = {record.id for record in (*sandboxes, *containers)}
        self._forget(before - known)
        await self._supervisor.wait_a_while("orphans", self._remove_orphaned(known), PATIENCE_SECONDS)
        log.info("recovery.done", sandboxes=len(self._sandboxes), containers=len(self._containers))

    async def _records(self, kind: str) -> list[Record]:
        records = await self._containerd.containers.list(f'labels."{KIND_LABEL}"=={kind}')
        return [record for record in records if self._belongs(record) and _ID.fullmatch(record.id)]

    def _loaded_sandbox(self, record: Record) -> Sandbox | None:
        """Return the pod of a record, added to the store if it is new; None while an operation is making it."""
        sandbox = self._sandboxes.exact(record.id)
        if sandbox is None:
            sandbox = load_sandbox(record, self._kernel)
            if not self._take_name(self._sandbox_names, sandbox.name, record.id):
                return None
            self._sandboxes.put(sandbox)
            if sandbox.unknown_reason:
                log.error("recovery.sandbox_unreadable", sandbox_id=record.id, error=sandbox.unknown_reason)
        return None if sandbox.starting else sandbox

    def _loaded_container(self, record: Record) -> Container | None:
        """Return the container of a record, added to the store if it is new; None if its task must not count yet."""
        container = self._containers.exact(record.id)
        if container is None:
            container = load_container(record, self._paths)
            if not self._take_name(self._container_names, container.name, record.id):
                return None
            self._containers.put(container)
            if container.unknown_reason:
                log.warning("recovery.container_unreadable", container_id=record.id, error=container.unknown_reason)
            if container.status_unread:
                self._unread.add(container)
        decided_elsewhere = container.starting or container.undo_pending or container.status_unread
        return None if decided_elsewhere else container

    async def _sandbox(self, sandbox: Sandbox, polled: Mapping[str, PolledTask]) -> None:
        async with self._places:
            if sandbox.pinned is None:
                polled_task = polled[sandbox.id]
                if self._sandboxes.exact(sandbox.id) is not sandbox:
                    polled_task = await poll_task(self._containerd, sandbox.id)  # it has changed since the poll
                await self._states.sandbox(sandbox.id, polled_task)
            else:
                await self._pinned(sandbox)

    async def _pinned(self, sandbox: Sandbox) -> None:
        try:
            pinned = sandbox.begun and await run(FS, are_pinned, self._kernel, sandbox)
        except OSError as error:
            # The namespaces may still exist; the sweep checks them again.
            log.warning("recovery.namespaces_unknown", sandbox_id=sandbox.id, error=str(error))
            return
        if not pinned:  # never complete, stopped, or rebooted: in no case can it become ready again
            mark_exited(self._sandboxes, sandbox.id)

    async def _container(self, container: Container, polled: Mapping[str, PolledTask], *, was_followed: bool) -> None:
        async with self._places:
            polled_task = polled[container.id]
            if self._containers.exact(container.id) is not container:
                polled_task = await poll_task(self._containerd, container.id)  # for example, it was started meanwhile
            await self._states.container(container.id, polled_task, was_followed=was_followed)

    @staticmethod
    def _take_name(names: Names, name: str, id_: str) -> bool:
        """Reserve the name of a record; return False if it is reserved already, as an operation is still making it."""
        if names.holder(name) == id_:
            return False
        try:
            names.reserve(name, id_)
        except AlreadyExistsError as error:
            # This was once fatal to the in-process plugin (containerd issue 6095). It is listed, so it can be removed.
            log.error("recovery.duplicate_name", id=id_, error=str(error))
        return True

    def _forget(self, vanished: set[str]) -> None:
        """Drop what another client has deleted. What was made after the records were listed is not among it."""
        for container in self._containers:
            if container.id in vanished:
                log.warning("recovery.container_vanished", container_id=container.id)
                self._logs.close(container.id)
                self._containers.drop(container.id)
                self._container_names.release(container.id)
        for sandbox in self._sandboxes:
            if sandbox.id in vanished and (not sandbox.unknown_reason or sandbox.id in self._unanswered):
                log.warning("recovery.sandbox_vanished", sandbox_id=sandbox.id)
                self._sandboxes.drop(sandbox.id)
                self._sandbox_names.release(sandbox.id)

    async def _remove_orphaned(self, known: set[str]) -> None:
        """Remove what a crash left without a record. What is being made is spared, because it holds its name."""

        def living() -> set[str]:
            return known.union(self._sandbox_names.holders(), self._container_names.holders(), self._being_read())

        await self._clear_orphaned_tasks(living)
        try:
            await remove_orphaned_files(self._kernel, self._paths, living, self._detach_orphaned)
        except OSError as error:
            log.warning("recovery.orphaned_files_unknown", error=str(cri_error_of(error)))
        removed = await remove_orphaned_snapshots(self._containerd, self._snapshotters, living)
        if removed:
            log.info("recovery.snapshots_removed", snapshots=removed)
