"""End tasks without a record, at the start and after every break of the event stream.

A record can vanish before its task: another client deletes it, or an earlier version of this daemon did. Then neither a
kubelet nor containerd's API reaches the task any more, because every call looks for the record first. So the daemon
gives the task a temporary record, marked by a label, and kills and deletes the task through it. A task is left alone if
any client has a record of it, with whatever labels, or if its name is reserved here, because an object that is being
made reserves its name before anything else.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import AlreadyExists, ContainerdError, NotFound, call_options
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from cri_shim.concurrency.pauses import ending_with_last
from cri_shim.kernel.executors import FS, MOUNT, run
from cri_shim.lifecycle.orphaned_cgroups import clear_everywhere
from cri_shim.lifecycle.orphaned_processes import root_mounts, shims_of
from cri_shim.sync.orphaned_shims import end_orphaned_shims

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from containerd_client import Containerd
    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.kernel import Kernel
    from cri_shim.lifecycle.orphaned_processes import Shim

MARK: Final = "io.cri-shim.orphaned-task"
"""The label of a record that was made only to reach a task."""
RETRIES: Final = (10.0, 60.0, 300.0)
"""Seconds between attempts while something stays; the last pause repeats for as long as necessary."""
_LIST_SECONDS: Final = 2.0
"""A shim that hangs delays the list of all tasks, so it is not waited for; the next attempt may find it well again."""
_STEP_SECONDS: Final = 10.0
_RUNTIME: Final = "io.containerd.runc.v2"
_SNAPSHOTTER: Final = "io.containerd.snapshotter.v1"
_SPEC: Final = AnyMessage(type_url="types.containerd.io/opencontainers/runtime-spec/1/Spec", value=b"{}")

log = structlog.get_logger(__name__)


class OrphanedTasks:
    """Finds tasks, shims and mounts without a record, and ends them."""

    def __init__(
        self, *, containerd: Containerd, kernel: Kernel, address: str, namespace: str, supervisor: Supervisor
    ) -> None:
        """Take containerd's socket as its shims know it as ``address``."""
        self._containerd = containerd
        self._kernel = kernel
        self._address = address
        self._namespace = namespace
        self._supervisor = supervisor
        self._trying_again = False
        self._living: Callable[[], Collection[str]] = frozenset

    async def clear(self, living: Callable[[], Collection[str]]) -> None:
        """End what has no record; retry in the background what cannot be ended yet.

        ``living`` returns the ids that are known or are being made. It is called after the node has been examined.
        """
        self._living = living
        if not await self._clear(living):
            self._try_again()

    async def end(self, id_: str) -> None:
        """End the task of ``id_``, whose record is gone, if it has one; retry in the background while that fails."""
        if not await self._end_task(id_, 0):
            self._try_again()

    def _try_again(self) -> None:
        if not self._trying_again:
            self._trying_again = True
            self._supervisor.once("orphaned-tasks", self._again())

    async def _again(self) -> None:
        try:
            for pause in ending_with_last(RETRIES):
                await asyncio.sleep(pause)
                if await self._clear(self._living):
                    return
        finally:
            self._trying_again = False

    async def _clear(self, living: Callable[[], Collection[str]]) -> bool:
        """Make one attempt; return whether no known orphan is left."""
        try:
            with call_options(timeout=_LIST_SECONDS):
                pids = {task.id: task.pid for task in await self._containerd.tasks.list()}
                marked = {record.id for record in await self._containerd.containers.list(f'labels."{MARK}"')}
                layers = await self._layers()
            shims = await run(FS, shims_of, self._address, self._namespace)
            mounts = dict(await run(FS, lambda: list(root_mounts(self._namespace, layers))))
            seen = {*pids, *marked, *mounts, *_ids_of(shims)}
            orphaned_ids = {
                id_ for id_ in seen - frozenset(living()) if id_ in marked or await self._without_record(id_)
            }
        except ContainerdError as error:
            log.warning("recovery.orphans_unknown", error=str(error))
            return False
        if not orphaned_ids:
            return True
        ended = [await self._end_task(id_, pids.get(id_, 0)) for id_ in sorted(orphaned_ids & {*pids, *marked})]
        gone = await run(MOUNT, self._end_rest, shims, mounts, orphaned_ids, orphaned_ids - {*pids, *marked})
        return all(ended) and gone

    async def _layers(self) -> list[str]:
        """Return the directories in which containerd's snapshotters keep the layers of root file systems."""
        plugins = await self._containerd.introspection.plugins(f"type=={_SNAPSHOTTER}")
        return [plugin.exports["root"] for plugin in plugins if plugin.exports.get("root")]

    async def _without_record(self, id_: str) -> bool:
        """Return whether containerd has no record of ``id_``.

        Only NotFound says so; any other error ends the attempt.
        """
        try:
            await self._containerd.containers.get(id_)
        except NotFound:
            return True
        return False

    async def _end_task(self, id_: str, pid: int) -> bool:
        """Kill and delete one task through a record made for it; return False when it stays."""
        containers, tasks = self._containerd.containers, self._containerd.tasks
        record = containers_pb2.Container(
            id=id_, labels={MARK: "1"}, runtime=containers_pb2.Container.Runtime(name=_RUNTIME), spec=_SPEC
        )
        # An earlier attempt has made the record, and may have come no further than deleting the task.
        earlier = False
        try:
            with call_options(timeout=_STEP_SECONDS):
                try:
                    await containers.create(record)
                except AlreadyExists:
                    earlier = True
                with suppress(NotFound):
                    await tasks.kill(id_, signal.SIGKILL, all=True)
                    await tasks.wait(id_)
                there = True
                try:
                    await tasks.delete(id_)
                except NotFound:
                    there = False
                if there or earlier:
                    await run(FS, clear_everywhere, {id_})
                await containers.delete(id_)
        except (ContainerdError, OSError) as error:
            # The labelled record stays, and with it the way to the task.
            log.warning("recovery.orphaned_task_stays", id=id_, pid=pid, error=str(error))
            return False
        if there:
            log.warning("recovery.orphaned_task_ended", id=id_, pid=pid)
        return True

    def _end_rest(
        self, shims: Sequence[Shim], mounts: Mapping[str, str], orphaned_ids: set[str], forgotten: set[str]
    ) -> bool:
        """End what is left of those orphans that containerd has forgotten; False when something stays. Blocks."""
        if not forgotten:
            return True
        for pid, id_ in (child for shim in shims for child in shim.children):
            if id_ in forgotten:
                log.warning("recovery.orphaned_process_ended", id=id_, pid=pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        # A shim may serve several containers of a pod, and one of them may still have a record.
        alone = {
            shim.id for shim in shims if shim.id in forgotten and {id_ for _, id_ in shim.children} <= orphaned_ids
        }
        if alone:
            end_orphaned_shims(self._address, self._namespace, alone)
        busy = [path for id_, path in mounts.items() if id_ in forgotten and not self._unmount(path)]
        try:
            clear_everywhere(forgotten)
        except OSError:
            return False  # the log says which one stays
        return not busy

    def _unmount(self, path: str) -> bool:
        try:
            self._kernel.umount(path)
        except OSError as error:
            log.warning("recovery.orphaned_mount_stays", path=path, error=str(error))
            return False
        log.warning("recovery.orphaned_mount_removed", path=path)
        return True


def _ids_of(shims: Iterable[Shim]) -> set[str]:
    return {id_ for shim in shims for id_ in (shim.id, *(child for _, child in shim.children)) if id_}
