"""Find out whether a container that ended was killed for lack of memory.

The kernel's own count in the container's cgroup says so. The TaskOOM event says it too, but may come after the exit
(containerd issue 12260) or never. The cgroup lives until the task is deleted, unless systemd made it: a scope goes
with its last process. On cgroup v2 the pod's own cgroup then still counts what happened in it, so this module
remembers for each pod how many of these kills have already been attributed to a container
(:mod:`cri_shim.stats.oom_kills`). If several containers of the pod could be meant, the kernel's log says which
(:mod:`cri_shim.kernel.oom_messages`; docs/adr/0016 and 0053).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import Struct, field

from cri_shim.disk.oom_count_file import read_oom_count, write_oom_count
from cri_shim.kernel.cgroups import UNIFIED
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.oom_messages import LOG, was_killed
from cri_shim.stats.oom_kills import Kills, kills_below, kills_in_all
from cri_shim.sync.oom_metrics import counted_by_shim
from cri_shim.sync.task_poll import NotKnown

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from containerd_client import Containerd
    from cri_shim.kernel.cgroups import Hierarchies
    from cri_shim.state.containers import Container

_CLOCKS_APART_US: Final = 2_000_000
_DRIFT: Final = 10_000
"""The clock of the kernel's log is not corrected as the monotonic clock is: they drift by one in this many at most."""

log = structlog.get_logger(__name__)


class PodCount(Struct):
    """What is remembered of one pod's cgroup."""

    cgroup: int
    """Its inode; 0 as long as it does not exist."""
    attributed: int
    """Kills in vanished cgroups below it that no further container may be attributed."""
    postponed: bool = False
    """Whether kills could not be attributed at a container's end because another one may have been meant."""
    directories: set[Path] = field(default_factory=set)
    """The pods' directories in which the count is written."""


class OomKills:
    """Decides why a container ended. ``parent`` is its pod's cgroup as the kubelet names it."""

    def __init__(self, containerd: Containerd, unified: Hierarchies | None, *, kernel_log: str = LOG) -> None:
        """Set it up; ``unified`` is the place of cgroup v2, on a node that has only that."""
        self._containerd = containerd
        self._unified = unified
        self._kernel_log = kernel_log
        self._pods: dict[str, PodCount] = {}

    def counts(self, parent: str) -> bool:
        """Return whether the kills below ``parent`` are counted, so that an answer costs no call of containerd."""
        return parent in self._pods

    async def begin(self, parent: str, directory: Path) -> None:
        """Note the kills so far below ``parent``, where a container runs or is about to.

        ``directory`` is that of its pod.
        """
        if self._unified is None or not parent:
            return
        pod = self._pods.get(parent)
        if pod is None:
            try:
                count = await run(FS, self._first, parent, directory)
            except OSError:
                return  # without a count from now, containerd is asked at the container's end
            self._pods.setdefault(parent, PodCount(*count)).directories.add(directory)
        elif directory not in pod.directories:
            pod.directories.add(directory)
            await self._write(pod)

    async def was_oom_killed(
        self, container: Container, parent: str, directory: Path, others: Collection[str]
    ) -> bool | NotKnown:
        """Return whether the container's cgroup counted such a kill; if it is gone, ask the pod's, or containerd.

        ``others`` are the other containers below ``parent`` whose end has not been attributed yet.
        """
        try:
            pod = await self._load(parent, directory)
            if pod is None:
                return await counted_by_shim(self._containerd, container.id)
            kills = await run(FS, self._below, parent, container.id)
        except OSError as error:
            return NotKnown(str(error))
        if kills.own is not None:
            return kills.own > 0
        if kills.cgroup and kills.vanished <= _attributed(pod, kills):
            return False
        if kills.cgroup and not pod.postponed and not _gone(kills, others):
            return True
        named = await run(FS, was_killed, container.id, container.status.pid, _log_time(container), self._kernel_log)
        return bool(kills.cgroup) if named is None else named

    async def mark_reported(self, parent: str, others: Collection[str]) -> None:
        """Attribute the kills so far to the container whose end was recorded, and whose cgroup is gone.

        ``others`` are as above. If the cgroup of one of them is gone already, or does not exist yet, the count may be
        its own; then nothing is attributed before its end is recorded.
        """
        pod = self._pods.get(parent)
        if pod is None:
            return
        try:
            kills = await run(FS, self._more_than, parent, pod.attributed)
        except OSError:
            return  # a later end attributes what this one has left
        if kills is None:
            pod.postponed = False
            return
        before = (pod.cgroup, pod.attributed)
        new = kills.vanished > _attributed(pod, kills)
        pod.postponed = new and _gone(kills, others)
        if new and not pod.postponed:
            pod.attributed = kills.vanished
        if (pod.cgroup, pod.attributed) != before:
            await self._write(pod)

    def forget(self, parent: str, directory: Path) -> None:
        """Discard what is known for the pod with this directory; another may have the same cgroup."""
        pod = self._pods.get(parent)
        if pod is not None:
            pod.directories.discard(directory)
            if not pod.directories:
                del self._pods[parent]

    async def _load(self, parent: str, directory: Path) -> PodCount | None:
        """Return the count that this daemon has, or that the one before it has left; None if there is neither."""
        if self._unified is not None and parent and parent not in self._pods:
            left = await run(FS, read_oom_count, directory)
            if left is not None:
                self._pods.setdefault(parent, PodCount(*left, directories={directory}))
        return self._pods.get(parent)

    def _first(self, parent: str, directory: Path) -> tuple[int, int]:
        """Return what the daemon before this one has left, or else the kills so far, which are written for the next."""
        left = read_oom_count(directory)
        if left is not None:
            return left
        kills = self._below(parent)
        _try_to_write(directory, kills.cgroup, kills.vanished)
        return kills.cgroup, kills.vanished

    async def _write(self, pod: PodCount) -> None:
        for directory in tuple(pod.directories):
            await run(FS, _try_to_write, directory, pod.cgroup, pod.attributed)

    def _more_than(self, parent: str, attributed: int) -> Kills | None:
        """Return the kills; None if there are no more than were attributed, which one file shows."""
        directory = self._directory(parent)
        return None if kills_in_all(directory) == attributed else kills_below(directory)

    def _below(self, parent: str, container_id: str = "") -> Kills:
        return kills_below(self._directory(parent), container_id)

    def _directory(self, parent: str) -> str:
        """Return the pod's directory; empty where it does not exist yet, and where nothing is counted."""
        cgroup = self._unified.in_parent(parent, "-") if self._unified is not None else None
        return "" if cgroup is None else cgroup.parent().directory(UNIFIED)


def _try_to_write(directory: Path, cgroup: int, count: int) -> None:
    try:
        write_oom_count(directory, cgroup, count)
    except OSError as error:
        # The pod is being removed, or the next daemon will judge by the containers' own cgroups alone.
        log.debug("oom.count_not_written", error=str(error))


def _attributed(pod: PodCount, kills: Kills) -> int:
    """Return how many kills are attributed of those that the cgroup counts now.

    A cgroup that was made anew counts from 0, as that of a static pod that was removed and added again.
    """
    if kills.cgroup not in {0, pod.cgroup}:
        pod.attributed = 0
        pod.cgroup = kills.cgroup
    return pod.attributed


def _gone(kills: Kills, others: Collection[str]) -> bool:
    """Return whether one of the containers has no cgroup."""
    return not all(any(id_ in name for name in kills.children) for id_ in others)


def _log_time(container: Container) -> int:
    """Return the earliest time that a record of the container can have in the kernel's log, in microseconds."""
    now = time.monotonic_ns() // 1000
    started = now - max(0, time.time_ns() - (container.status.started_at or container.status.created_at)) // 1000
    return max(1, started - _CLOCKS_APART_US - now // _DRIFT)
