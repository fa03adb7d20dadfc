"""Find out whether a killed container was killed for lack of memory.

The kernel's own count in the container's cgroup says so. The TaskOOM event says it too, but may come after the exit
(containerd issue 12260) or never. The cgroup lives until the task is deleted, unless systemd made it: a scope goes
with its last process. On cgroup v2 the pod's own cgroup then still counts what happened in it, so this module
remembers for each pod how many of these kills have already been attributed to a container
(:mod:`cri_shim.stats.oom_kills`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from containerd_client import ContainerdError, NotFound, call_options
from containerd_client.api.io.containerd.cgroups.v1 import cgroups_pb2 as cgroups_v1
from containerd_client.api.io.containerd.cgroups.v2 import cgroups_pb2 as cgroups_v2
from containerd_client.encoding.clean_text import parse_message
from cri_shim.kernel.cgroups import UNIFIED
from cri_shim.kernel.executors import FS, run
from cri_shim.stats.oom_kills import Kills, has_child, kills_below
from cri_shim.sync.task_poll import NotKnown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from google.protobuf.any_pb2 import Any as AnyMessage

    from containerd_client import Containerd
    from cri_shim.kernel.cgroups import Hierarchies

ROOM = 64
"""How many pods are remembered before those that are gone are dropped."""

ASK_SECONDS = 2.0
ASKED_AGAIN = (0.0, 0.2, 0.5)
"""Seconds before each question to containerd; an exit waits for the answer, but not for long."""

_V1 = "io.containerd.cgroups.v1.Metrics"
_V2 = "io.containerd.cgroups.v2.Metrics"


class OomKills:
    """Decides why a container ended by SIGKILL. ``parent`` is its pod's cgroup as the kubelet names it.

    If two containers of a pod are killed in the same moment, one of them for lack of memory, both may count as
    OOM-killed.
    """

    def __init__(self, containerd: Containerd, unified: Hierarchies | None) -> None:
        """Set it up; ``unified`` is the place of cgroup v2, on a node that has only that."""
        self._containerd = containerd
        self._unified = unified
        self._reported: dict[str, int] = {}
        """Parent → kills in vanished cgroups below it that no further container may be attributed."""
        self._room = ROOM

    async def begin(self, parent: str, parents: Iterable[str]) -> None:
        """Note the kills so far below ``parent``, where a container runs or is about to; ``parents`` are all pods'."""
        if self._unified is None or not parent or parent in self._reported:
            return
        try:
            kills = await run(FS, self._below, parent)
        except OSError:
            return  # without a count from now, containerd is asked at the container's end
        if len(self._reported) >= self._room:
            living = set(parents)
            self._reported = {each: count for each, count in self._reported.items() if each in living}
            self._room = max(ROOM, 2 * len(self._reported))
        self._reported.setdefault(parent, kills.vanished)

    async def was_oom_killed(self, container_id: str, parent: str) -> bool | NotKnown:
        """Return whether the container's cgroup counted such a kill; if it is gone, ask the pod's, or containerd."""
        if parent not in self._reported:
            return await self._ask_containerd(container_id)
        try:
            kills = await run(FS, self._below, parent, container_id)
        except OSError as error:
            return NotKnown(str(error))
        if kills.own is not None:
            return kills.own > 0
        return kills.vanished > self._reported.get(parent, kills.vanished)  # the pod may have been dropped meanwhile

    async def mark_reported(self, parent: str, running: Collection[str]) -> None:
        """Attribute the kills so far to the container whose end was recorded, and whose cgroup is gone.

        ``running`` are the containers below ``parent`` that are believed to run. If the cgroup of one of them is gone
        already, it has ended too and the count may be its own; then nothing is attributed before its end is recorded.
        """
        if parent not in self._reported:
            return
        try:
            kills = await run(FS, self._all_ended, parent, running)
        except OSError:
            return  # a later end attributes what this one has left
        if kills is not None and parent in self._reported:
            self._reported[parent] = kills.vanished

    async def _ask_containerd(self, container_id: str) -> bool | NotKnown:
        reason = ""
        for pause in ASKED_AGAIN:
            await asyncio.sleep(pause)
            try:
                with call_options(timeout=ASK_SECONDS):
                    metrics = await self._containerd.tasks.metrics(f"id=={container_id}")
            except NotFound:
                return False
            except ContainerdError as error:
                reason = str(error)
            else:
                try:
                    return any(_oom_kills(metric.data) > 0 for metric in metrics)
                except DecodeError as error:  # the shim writes them, and any program may be a shim
                    return NotKnown(f"its metrics cannot be read: {error}")
        return NotKnown(reason)

    def _all_ended(self, parent: str, running: Collection[str]) -> Kills | None:
        kills, directory = self._below(parent), self._directory(parent)
        return kills if all(has_child(directory, id_) for id_ in running) else None

    def _below(self, parent: str, container_id: str = "") -> Kills:
        return kills_below(self._directory(parent), container_id)

    def _directory(self, parent: str) -> str:
        """Return the pod's directory; empty where it does not exist yet, and where nothing is counted."""
        cgroup = self._unified.in_parent(parent, "-") if self._unified is not None else None
        return "" if cgroup is None else cgroup.parent().directories.get(UNIFIED, "")


def _oom_kills(data: AnyMessage) -> int:
    name = data.type_url.rpartition("/")[2]
    if name == _V1:
        return parse_message(cgroups_v1.Metrics.FromString, data.value).memory_oom_control.oom_kill
    if name == _V2:
        return parse_message(cgroups_v2.Metrics.FromString, data.value).memory_events.oom_kill
    return 0
