"""What happens when a process ends: log drained, status written, task deleted — in this order.

A crash between two of the steps loses nothing, because the stopped task still tells its exit code until it is
deleted. A step that fails (a full disk, a busy mount) is tried again until it succeeds; the steps after it wait for it,
and so does the removal of the record (docs/adr/0028). Exits arrive as events; what events missed is found by
:mod:`cri_shim.sync.recovery`, which calls :meth:`Exits.ended` too. (containerd pkg/cri/server/events.go)
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from containerd_client import ContainerdError, NotFound
from cri_shim.disk.status_file import write_status
from cri_shim.state.containers import exited, out_of_memory
from cri_shim.sync.task_poll import NotKnown
from untrusted import shorten

if TYPE_CHECKING:
    from containerd_client import Containerd
    from cri_shim.concurrency.keyed_locks import KeyedLocks
    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.logs.registry import ContainerLogs
    from cri_shim.paths import Paths
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.sync.oom import OomKills

LOG_DRAIN_SECONDS = 2.0
"""How long an exit waits for the last output. A process that outlives the container may hold the pipes open."""

LATE_EXIT_SECONDS = 6.0
"""How long an exit may be late. A shim that cannot reach containerd tries again after 1, 2, 3, 4 and 5 seconds."""

UNKNOWN_EXIT_CODE = 255
UNKNOWN_EXIT = "Unknown"
"""What is said of an end that nobody saw, as the in-process plugin says it."""

_KILLED = 137
_LONGEST_WORDS = 256
_EARLY_EXITS_BUFFERED = 1024
WRITE_RETRIES = (1.0, 2.0, 5.0, 10.0)
"""Seconds between attempts to write a status; the last one is repeated for as long as it takes."""

DELETE_RETRIES = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds between attempts to delete a task, likewise. A removal does not wait for them: it tries by itself."""

log = structlog.get_logger(__name__)


class Exits:
    """Turns the end of a task into the end of a container or sandbox, once, and lets others wait for it."""

    def __init__(
        self,
        *,
        containerd: Containerd,
        sandboxes: Index[Sandbox],
        containers: Index[Container],
        locks: KeyedLocks,
        oom_kills: OomKills,
        paths: Paths,
        logs: ContainerLogs,
        supervisor: Supervisor,
    ) -> None:
        self._containerd = containerd
        self._sandboxes = sandboxes
        self._containers = containers
        self._locks = locks
        self._oom_kills = oom_kills
        self._paths = paths
        self._logs = logs
        self._supervisor = supervisor
        self._waiting: dict[str, asyncio.Event] = {}
        self._early: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._unwritten: set[str] = set()
        self._deleted: set[str] = set()
        self._finishing: set[str] = set()
        sandboxes.watch(self._forget)
        containers.watch(self._forget)

    async def wait(self, id_: str) -> None:
        """Return once the exit of ``id_`` is in the store."""
        if self._has_ended(id_):
            return
        await self._waiting.setdefault(id_, asyncio.Event()).wait()

    async def ended(self, id_: str, code: int, at_ns: int, *, reason: str = "") -> None:
        """The main process of ``id_`` ended with ``code`` at ``at_ns``; being told twice is fine.

        ``reason`` is for the case that nobody knows how it ended. A time of 1970 or before is none, and now is taken:
        containerd tells the end of a process that was never started with Go's zero time, the year 1.
        """
        at_ns = at_ns if at_ns > 0 else time.time_ns()
        async with self._locks.of(id_):
            if self._containers.exact(id_) is not None:
                await self._container_ended(id_, code, at_ns, reason)
            elif self._sandboxes.exact(id_) is not None:
                self._sandboxes.update(
                    id_, lambda sandbox: sandbox.replace(pid=0, exited_at=sandbox.exited_at or at_ns)
                )
            else:
                self._remember_early(id_, code, at_ns)
                self._wake(id_)  # whoever waits for something that was forgotten meanwhile
                return
            self._wake(id_)
            finished = await self._finish(id_)
        if not finished:
            self._finish_in_background(id_)
        await self._mark_oom_kills_reported(id_)

    async def begin(self, id_: str) -> None:
        """The process of container ``id_`` is about to be made, or runs: note what may have to be told of its end."""
        parents = (sandbox.config.linux.cgroup_parent for sandbox in self._sandboxes)
        await self._oom_kills.begin(self._cgroup_parent(self._containers.get(id_)), parents)

    def await_lost_exit(self, id_: str) -> None:
        """The task of ``id_`` has gone while containerd was away: its shim may be about to tell how it ended.

        From 1.7 on containerd throws away at its start the task of every process that ended meanwhile
        (loadShims in its runtime/v2), and with it the exit code; what is left are the events that the shim repeats.
        """
        self._supervisor.once(f"late-exit/{id_[:12]}", self._await_lost_exit(id_, time.time_ns()))

    async def _await_lost_exit(self, id_: str, at_ns: int) -> None:
        try:
            async with asyncio.timeout(LATE_EXIT_SECONDS):
                await self.wait(id_)
        except TimeoutError:
            await self.ended(id_, UNKNOWN_EXIT_CODE, at_ns, reason=UNKNOWN_EXIT)

    def _remember_early(self, id_: str, code: int, at_ns: int) -> None:
        """A sandbox is stored when it is complete; it may have died before that."""
        self._early[id_] = (code, at_ns)
        if len(self._early) > _EARLY_EXITS_BUFFERED:
            self._early.popitem(last=False)

    async def claim_early(self, id_: str) -> None:
        """Catch up with an exit that was told before ``id_`` was in the store."""
        early = self._early.pop(id_, None)
        if early is not None:
            await self.ended(id_, *early)

    async def _container_ended(self, id_: str, code: int, at_ns: int, reason: str) -> None:
        container = self._containers.exact(id_)
        if container is None or self._has_ended(id_):
            return
        if not await self._logs.wait_drained(id_, LOG_DRAIN_SECONDS):
            log.info("container.output_still_open", container_id=id_)
        message = ""
        if code == _KILLED and not container.oom_killed:
            killed = await self._oom_kills.happened(id_, self._cgroup_parent(container))
            if isinstance(killed, NotKnown):
                message = (
                    f"whether it was killed for want of memory is not known: {shorten(killed.reason, _LONGEST_WORDS)}"
                )
            elif killed:
                self._containers.update(id_, lambda c: c.replace(oom_killed=True))
        changed = self._containers.update(id_, exited(code, at_ns, reason=reason, message=message))
        if changed is None:
            return
        self._written(id_)
        log.info("container.exited", container_id=id_, exit_code=code, reason=changed.status.reason)

    async def _mark_oom_kills_reported(self, id_: str) -> None:
        container = self._containers.exact(id_)
        if container is not None:
            parent = self._cgroup_parent(container)
            running = [each.id for each in self._containers if each.running and self._cgroup_parent(each) == parent]
            await self._oom_kills.mark_reported(parent, running)

    def _cgroup_parent(self, container: Container) -> str:
        """Its pod's cgroup, as the kubelet names it; empty when the kubelet did not, and for a pod that has gone."""
        sandbox = self._sandboxes.exact(container.sandbox_id)
        return "" if sandbox is None else sandbox.config.linux.cgroup_parent

    def out_of_memory(self, id_: str) -> None:
        """The kernel killed in the cgroup of ``id_`` for want of memory; the event of it may be later than the exit."""
        before = self._containers.exact(id_)
        changed = self._containers.update(id_, out_of_memory)
        if before is not None and changed is not None and changed.status != before.status:
            self.write_status(id_)

    def write_status(self, id_: str) -> None:
        """Have the status of container ``id_`` on disk; while that fails, it is tried again in the background."""
        if not self._written(id_):
            self._finish_in_background(id_)

    def _written(self, id_: str) -> bool:
        """Write the status of ``id_`` as it is now; True where there is none to write, as for a sandbox."""
        container = self._containers.exact(id_)
        if container is None:
            return True
        try:
            write_status(self._paths.container_root(id_), container.status)
        except OSError as error:
            if id_ not in self._unwritten:
                log.error("container.status_not_written", container_id=id_, error=str(error))
            self._unwritten.add(id_)
            return False
        if id_ in self._unwritten:
            self._unwritten.discard(id_)
            log.info("container.status_written", container_id=id_)
        return True

    def _has_ended(self, id_: str) -> bool:
        container = self._containers.exact(id_)
        if container is not None:
            return container.status.finished_at != 0 and not container.unknown_reason
        sandbox = self._sandboxes.exact(id_)
        return sandbox is None or sandbox.exited_at != 0

    def _wake(self, id_: str) -> None:
        event = self._waiting.pop(id_, None)
        if event is not None:
            event.set()

    async def delete_task(self, id_: str) -> None:
        """Delete the task of ``id_``, with its shim and mounts; a task that is gone is fine.

        Raises ContainerdError when containerd cannot, or does not say. Once it could, there is no further hop.
        """
        if id_ in self._deleted:
            return
        with suppress(NotFound):
            await self._containerd.tasks.delete(id_)
        if id_ in self._containers or id_ in self._sandboxes:
            self._deleted.add(id_)

    async def _finish(self, id_: str) -> bool:
        """Delete the task of ``id_``, which has ended, unless its status waits for room on the disk.

        Returns whether nothing is left to be done.
        """
        if id_ in self._unwritten and not self._written(id_):
            return False
        try:
            await self.delete_task(id_)
        except ContainerdError as error:
            # A task that stays keeps its shim. Its exit is known, so an RPC that waits for it need not wait for this.
            log.warning("task.delete_failed", container_id=id_, error=str(error))
            return False
        return True

    def _finish_in_background(self, id_: str) -> None:
        if id_ not in self._finishing:
            self._finishing.add(id_)
            self._supervisor.once(f"finish-exit/{id_[:12]}", self._finish_later(id_))

    async def _finish_later(self, id_: str) -> None:
        """Try again until it is done or the record has been removed, which takes the task with it."""
        try:
            attempt = 0
            while True:
                pauses = WRITE_RETRIES if id_ in self._unwritten else DELETE_RETRIES
                await asyncio.sleep(pauses[min(attempt, len(pauses) - 1)])
                attempt += 1
                async with self._locks.of(id_):
                    if id_ not in self._containers and id_ not in self._sandboxes:
                        return
                    done = await self._finish(id_) if self._has_ended(id_) else self._written(id_)
                if done:
                    return
        finally:
            self._finishing.discard(id_)

    def _forget(self, old: Container | Sandbox | None, new: Container | Sandbox | None) -> None:
        """What has been dropped from a store needs no note any more."""
        if new is None and old is not None:
            self._unwritten.discard(old.id)
            self._deleted.discard(old.id)
