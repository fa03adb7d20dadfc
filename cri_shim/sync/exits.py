"""Handle the end of a process: drain its log, write its status, delete its task, in this order.

A crash between two of these steps loses nothing, because a stopped task keeps its exit code until it is deleted. A
step that fails (a full disk, a busy mount) is retried until it succeeds; the steps after it wait for it, and so does
the removal of the record (docs/adr/0028). Exits arrive as events. :mod:`cri_shim.sync.recovery` finds those that the
events missed and calls :meth:`Exits.ended` too. (containerd pkg/cri/server/events.go)
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
    from collections.abc import Callable

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
"""How long an exit waits for the last output. A process that outlives the container may keep the pipes open."""

LATE_EXIT_SECONDS = 6.0
"""How late an exit may arrive. A shim that cannot reach containerd retries after 1, 2, 3, 4 and 5 seconds."""

UNKNOWN_EXIT_CODE = 255
UNKNOWN_EXIT = "Unknown"
"""The reason of an end that nothing observed, in the in-process plugin's word."""

_KILLED = 137
_LONGEST_WORDS = 256
_EARLY_EXITS_BUFFERED = 1024
WRITE_RETRIES = (1.0, 2.0, 5.0, 10.0)
"""Seconds between attempts to write a status; the last pause repeats for as long as it takes."""

DELETE_RETRIES = (1.0, 2.0, 5.0, 15.0, 60.0, 300.0)
"""Seconds between attempts to delete a task, likewise. A removal does not wait for them, because it tries by itself."""

log = structlog.get_logger(__name__)


class Exits:
    """Turns the end of a task into the end of a container or sandbox, once, and lets callers wait for it."""

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
        self._undone: set[str] = set()
        """Containers whose start was undone: ends of their processes say nothing about them until the next start."""
        self._undoing: dict[str, Callable[[], None]] = {}
        """What to do when the undo of a container's start succeeds, which failed first."""
        self._unattributed: set[str] = set()
        """Containers whose end is being recorded: OOM kills in their pod may be theirs."""
        sandboxes.watch(self._forget)
        sandboxes.watch(self._forget_pod)
        containers.watch(self._forget)

    async def wait(self, id_: str) -> None:
        """Return once the exit of ``id_`` is in the store."""
        if self._has_ended(id_):
            return
        await self._waiting.setdefault(id_, asyncio.Event()).wait()

    async def ended(self, id_: str, code: int, at_ns: int, *, reason: str = "") -> None:
        """Record that the main process of ``id_`` ended with ``code`` at ``at_ns``; reporting it twice is fine.

        ``reason`` is for an end of unknown cause. A time of 1970 or before counts as missing and becomes the present
        time: containerd reports the end of a process that was never started with Go's zero time, the year 1.
        """
        at_ns = at_ns if at_ns > 0 else time.time_ns()
        parent = self._cgroup_parent(id_)
        async with self._locks.of(id_):
            if id_ in self._undone:
                return
            if id_ in self._undoing:
                self.undo_done(id_)
            elif self._containers.exact(id_) is not None:
                await self._container_ended(id_, code, at_ns, reason)
            elif self._sandboxes.exact(id_) is not None:
                self._sandboxes.update(
                    id_, lambda sandbox: sandbox.replace(pid=0, exited_at=sandbox.exited_at or at_ns)
                )
            else:
                self._remember_early(id_, code, at_ns)
                self._wake(id_)  # for a waiter whose container was dropped meanwhile
                return
            self._wake(id_)
            finished = await self._finish(id_)
        if not finished:
            self._finish_in_background(id_)
        await self._mark_oom_kills_reported(id_, parent)

    async def begin(self, id_: str) -> None:
        """Note the OOM kills so far, for the end of container ``id_``, whose process runs or is about to be made."""
        self._undone.discard(id_)
        self._deleted.discard(id_)
        container = self._containers.get(id_)
        await self._oom_kills.begin(self._cgroup_parent(id_), self._paths.sandbox_state(container.sandbox_id))

    def start_undone(self, id_: str) -> None:
        """Ignore the end of the process of ``id_`` that was killed to undo its start."""
        self._undone.add(id_)

    def undo_pending(self, id_: str, conclude: Callable[[], None]) -> None:
        """Call ``conclude`` instead of recording an exit when the process of ``id_`` ends, or :meth:`undo_done`."""
        self._undoing[id_] = conclude

    def undo_done(self, id_: str) -> None:
        """The undo of a start has succeeded."""
        conclude = self._undoing.pop(id_, None)
        if conclude is not None:
            conclude()
            self._wake(id_)

    def await_lost_exit(self, id_: str) -> None:
        """Wait a while for the exit of ``id_``, whose task vanished while containerd was away.

        From 1.7 on, containerd at its start discards the task of every process that ended meanwhile (loadShims in its
        runtime/v2), and with it the exit code. All that is left are the events that the shim repeats. Without one in
        time, the exit is recorded as unknown.
        """
        self._supervisor.once(f"late-exit/{id_[:12]}", self._await_lost_exit(id_, time.time_ns()))

    async def _await_lost_exit(self, id_: str, at_ns: int) -> None:
        try:
            async with asyncio.timeout(LATE_EXIT_SECONDS):
                await self.wait(id_)
        except TimeoutError:
            await self.ended(id_, UNKNOWN_EXIT_CODE, at_ns, reason=UNKNOWN_EXIT)

    def _remember_early(self, id_: str, code: int, at_ns: int) -> None:
        """Remember the exit of a sandbox that died before it was complete, because only then is it stored."""
        self._early[id_] = (code, at_ns)
        if len(self._early) > _EARLY_EXITS_BUFFERED:
            self._early.popitem(last=False)

    async def claim_early(self, id_: str) -> None:
        """Record an exit that arrived before ``id_`` was in the store."""
        early = self._early.pop(id_, None)
        if early is not None:
            await self.ended(id_, *early)

    async def _container_ended(self, id_: str, code: int, at_ns: int, reason: str) -> None:
        container = self._containers.exact(id_)
        if container is None or self._has_ended(id_):
            return
        self._unattributed.add(id_)
        if not await self._logs.wait_drained(id_, LOG_DRAIN_SECONDS):
            log.info("container.output_still_open", container_id=id_)
        message = ""
        if code and not container.oom_killed:
            message = await self._why_killed(container, code)
        changed = self._containers.update(id_, exited(code, at_ns, reason=reason, message=message))
        if changed is None:
            return
        self._written(id_)
        log.info("container.exited", container_id=id_, exit_code=code, reason=changed.status.reason)

    async def _why_killed(self, container: Container, code: int) -> str:
        """Note whether memory ran out in the container, and return what to say if that is unknown of a kill.

        A process of the container may have been killed, and the container have ended with another code because of it.
        That is only looked at where it costs no call of containerd.
        """
        parent = self._cgroup_parent(container.id)
        if code != _KILLED and not self._oom_kills.counts(parent):
            return ""
        directory = self._paths.sandbox_state(container.sandbox_id)
        others = self._others(parent, container.id)
        killed = await self._oom_kills.was_oom_killed(container, parent, directory, others)
        if isinstance(killed, NotKnown):
            unknown = (
                f"it is unknown whether it was killed for lack of memory: {shorten(killed.reason, _LONGEST_WORDS)}"
            )
            return unknown if code == _KILLED else ""
        if killed:
            self._containers.update(container.id, lambda c: c.replace(oom_killed=True))
        return ""

    async def _mark_oom_kills_reported(self, id_: str, parent: str) -> None:
        """Attribute the kills in the pod's cgroup so far, now that the end of ``id_`` is recorded."""
        self._unattributed.discard(id_)
        if self._oom_kills.counts(parent):
            await self._oom_kills.mark_reported(parent, self._others(parent, id_))

    def _others(self, parent: str, id_: str) -> list[str]:
        """Return the other containers below ``parent`` that may have processes, or whose end is being recorded."""
        return [
            each.id
            for each in self._containers
            if each.id != id_
            and (each.running or each.starting or each.unknown_reason or each.id in self._unattributed)
            and self._cgroup_parent(each.id) == parent
        ]

    def _cgroup_parent(self, id_: str) -> str:
        """Return the cgroup of a pod, or of a container's pod, as the kubelet names it; empty if there is none."""
        container = self._containers.exact(id_)
        sandbox = self._sandboxes.exact(id_ if container is None else container.sandbox_id)
        return "" if sandbox is None else sandbox.config.linux.cgroup_parent

    def out_of_memory(self, id_: str) -> None:
        """Record that the kernel killed in the cgroup of ``id_`` for lack of memory; the event may follow the exit."""
        before = self._containers.exact(id_)
        changed = self._containers.update(id_, out_of_memory)
        if before is not None and changed is not None and changed.status != before.status:
            self.write_status(id_)

    def write_status(self, id_: str) -> None:
        """Write the status of container ``id_`` to disk; while that fails, retry in the background."""
        if not self._written(id_):
            self._finish_in_background(id_)

    def _written(self, id_: str) -> bool:
        """Write the status of ``id_``; return False if that fails. A sandbox has no status to write."""
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

        Raises ContainerdError when containerd fails or does not answer. After one success no further hop is made.
        """
        if id_ in self._deleted:
            return
        with suppress(NotFound):
            await self._containerd.tasks.delete(id_)
        if id_ in self._containers or id_ in self._sandboxes:
            self._deleted.add(id_)

    async def _finish(self, id_: str) -> bool:
        """Delete the task of ``id_``, which has ended, unless its status still waits for room on the disk.

        Returns whether nothing is left to do.
        """
        if id_ in self._unwritten and not self._written(id_):
            return False
        try:
            await self.delete_task(id_)
        except ContainerdError as error:
            # A task that stays keeps its shim. Its exit is known, so an RPC that waits for the exit may go on.
            log.warning("task.delete_failed", container_id=id_, error=str(error))
            return False
        return True

    def _finish_in_background(self, id_: str) -> None:
        if id_ not in self._finishing:
            self._finishing.add(id_)
            self._supervisor.once(f"finish-exit/{id_[:12]}", self._finish_later(id_))

    async def _finish_later(self, id_: str) -> None:
        """Retry until it is done, or until the record has been removed, which takes the task with it."""
        try:
            attempt = 0
            while True:
                pauses = WRITE_RETRIES if id_ in self._unwritten else DELETE_RETRIES
                await asyncio.sleep(pauses[min(attempt, len(pauses) - 1)])
                attempt += 1
                parent = self._cgroup_parent(id_)
                async with self._locks.of(id_):
                    if id_ not in self._containers and id_ not in self._sandboxes:
                        return
                    done = await self._finish(id_) if self._has_ended(id_) else self._written(id_)
                if done:
                    await self._mark_oom_kills_reported(id_, parent)  # its cgroup has gone with the task
                    return
        finally:
            self._finishing.discard(id_)

    def _forget(self, old: Container | Sandbox | None, new: Container | Sandbox | None) -> None:
        """Discard the notes about a value that was dropped from a store."""
        if new is None and old is not None:
            self._unwritten.discard(old.id)
            self._undone.discard(old.id)
            self._undoing.pop(old.id, None)
            self._deleted.discard(old.id)
            self._unattributed.discard(old.id)

    def _forget_pod(self, old: Sandbox | None, new: Sandbox | None) -> None:
        if new is None and old is not None:
            self._oom_kills.forget(old.config.linux.cgroup_parent, self._paths.sandbox_state(old.id))
