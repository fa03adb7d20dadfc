"""What the services of one fake share: state, bus, processes, version, paths, and whether the daemon is there."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from tests.fakes.containerd.bus import Bus
from tests.fakes.containerd.garbage_collection import collect
from tests.fakes.containerd.processes import Processes
from tests.fakes.containerd.refusals import bare
from tests.fakes.containerd.state import State

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

T = TypeVar("T")

AWAY = "Socket closed"
"""gRPC's words for a connection that broke while a call was under way."""
COLLECTION_SECONDS = 0.05
"""From a removal to the garbage collection that it causes; containerd waits about as long when it has little to do."""


class Backend:
    """State that outlives a death of the daemon, and what the living one does with it."""

    def __init__(self, root: Path, version: tuple[int, int]) -> None:
        self.root = root
        self.version = version
        self.state = State()
        self.bus = Bus()
        self.processes = Processes(self.state, self.bus)
        self.snapshotters = ["overlayfs", "native"]
        self._gone: asyncio.Future[None] | None = None
        self._collection: asyncio.TimerHandle | None = None

    @property
    def here(self) -> bool:
        """Whether the daemon lives."""
        return self._gone is not None and not self._gone.done()

    def arrive(self) -> None:
        """Begin to live; ingests that an earlier life held are free."""
        self._gone = asyncio.get_running_loop().create_future()
        for space in self.state.spaces.values():
            for ingest in space.ingests.values():
                ingest.held_since = None

    def leave(self) -> None:
        """Die: calls under way break off."""
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        if self._collection is not None:
            self._collection.cancel()
            self._collection = None

    async def until_gone(self, waiting: Coroutine[Any, Any, T]) -> T:
        """Await something for as long as the daemon lives."""
        if self._gone is None or self._gone.done():
            waiting.close()
            raise bare(grpc.StatusCode.UNAVAILABLE, AWAY)
        task = asyncio.ensure_future(waiting)
        try:
            either: set[asyncio.Future[Any]] = {task, self._gone}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise bare(grpc.StatusCode.UNAVAILABLE, AWAY)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    def bundle(self, namespace: str, container_id: str) -> str:
        """Return the path of a task's bundle, which the fake does not make."""
        return str(self.root.parent / "state" / "io.containerd.runtime.v2.task" / namespace / container_id)

    def snapshots_directory(self, snapshotter: str) -> Path:
        """Return where a snapshotter keeps the directories of its snapshots."""
        return self.root / f"io.containerd.snapshotter.v1.{snapshotter}" / "snapshots"

    def removed_something(self) -> None:
        """Have the garbage collector run soon, as containerd's does after a removal."""
        self.state.dirty = True
        if self._collection is None and self.here:
            self._collection = asyncio.get_running_loop().call_later(COLLECTION_SECONDS, self._collect_soon)

    def collect_garbage(self) -> None:
        """Remove what nothing holds, now."""
        removed = collect(self.state)
        self.state.dirty = False
        if self.version >= (2, 0):
            for event in removed:
                self.bus.publish(*event)
        for snapshotter in self.snapshotters:
            self.remove_directories(snapshotter)

    def _collect_soon(self) -> None:
        self._collection = None
        if self.state.dirty:
            self.collect_garbage()

    def remove_directories(self, snapshotter: str) -> None:
        """Remove the directories of snapshots that are no more."""
        directory = self.snapshots_directory(snapshotter)
        if not directory.is_dir():
            return
        spaces = self.state.spaces.values()
        in_use = {str(one.number) for space in spaces for one in space.snapshots.get(snapshotter, {}).values()}
        for entry in directory.iterdir():
            if entry.name not in in_use:
                shutil.rmtree(entry, ignore_errors=True)
