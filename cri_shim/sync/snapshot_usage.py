"""Sample in the background how much disk the snapshots take.

A snapshotter walks a directory tree to answer for one snapshot, so ImageFsInfo and the statistics of containers answer
from the last sample. Only the first sample of a container's layer is taken when a request needs it, so that a new
container has one. A committed snapshot never changes and is measured once; an active one is measured each time. While
containerd is away, the last sample stays.

Most containers write next to nothing, and two hundred hops every ten seconds to learn this would be most of what a
quiet node costs. So this daemon counts a small writable layer of an overlay itself, in a thread, in containerd's own
way. A large one is left to containerd, which counts faster and outside of our event loop.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.errors import ContainerdError, NotFound, Unavailable
from cri_shim.kernel.disk_usage import DiskUsage, disk_usage
from cri_shim.kernel.executors import FS, run
from cri_shim.node.snapshotter_root import existing_root
from cri_shim.sync.first_samples import FirstSamples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from containerd_client import Containerd
    from containerd_client.api.containerd.types.types_pb2 import Mount
    from containerd_client.snapshots import Snapshots

AT_ONCE = 4
RARELY = 6
"""A layer in which nothing writes is measured every so many samples, and an unchanged list of snapshots is renewed."""
LARGEST = (1 << 64) - 1
"""The largest sum that a message can carry."""
SMALL = 1000
"""The most inodes of a writable layer that this daemon counts itself."""

log = structlog.get_logger(__name__)


class Usage(Struct, frozen=True):
    """One snapshot: bytes and inodes of its own layer, and its kind at ``measured_ns``, nanoseconds since 1970."""

    bytes: int
    inodes: int
    measured_ns: int
    active: bool


class SnapshotterUsage(Struct, frozen=True):
    """All snapshots of one snapshotter; ``timestamp_ns`` is the time of the sample, in nanoseconds since 1970."""

    snapshotter: str
    mountpoint: str
    bytes: int
    inodes: int
    timestamp_ns: int


class SnapshotUsage:
    """The samples. ``snapshotters`` begins with the default one; ``period`` is the seconds between samples.

    ``idle`` says of a snapshot whether nothing writes to it (that of a pause process); it is then measured in one of
    :data:`RARELY` samples. ``owners`` returns what snapshots are made for. While that stays equal, snapshots are listed
    as rarely, so that what other clients make or remove is noticed within a minute.
    """

    def __init__(
        self,
        client: Containerd,
        snapshotters: Iterable[str] = ("overlayfs",),
        period: float = 10.0,
        *,
        idle: Callable[[str], bool] = lambda _: False,
        owners: Callable[[], object] = object,
    ) -> None:
        self._client = client
        self._idle = idle
        self._owners = owners
        self._known_snapshots: dict[str, tuple[object, dict[str, bool]]] = {}
        """Snapshotter → the owners and the snapshots at its last listing; True marks an active snapshot."""
        self._samples = 0
        self.period = period
        """Seconds between two samples; a change counts from the next pause on."""
        self._usages: dict[str, dict[str, Usage]] = {name: {} for name in dict.fromkeys(snapshotters)}
        self._sampled_ns: dict[str, int] = {}
        self._failed: dict[str, ContainerdError] = {}
        """Snapshotter → the error of its last sample."""
        self._roots: dict[str, str] = {}
        self._directories: dict[tuple[str, str], str] = {}
        """Where the writable layer of an active snapshot lies; empty if containerd has to count it."""
        self._counted: dict[tuple[str, str], DiskUsage] = {}
        """What the last count in that directory found."""
        self._first = FirstSamples(self._measure_first)

    async def run(self) -> None:
        """Sample for ever. A failure is logged and retried; this never raises."""
        while True:
            began = time.monotonic()
            try:
                await self.sample()
            except Unavailable:
                log.debug("snapshot_usage.paused")
            except ContainerdError as error:
                log.debug("snapshot_usage.nothing_sampled", error=str(error))
            # A sample takes long on a slow disk; the pause leaves at least half of the time without measurements.
            spent = time.monotonic() - began
            await asyncio.sleep(max(self.period - spent, self.period / 2))

    async def take_first(self, places: Iterable[tuple[str, str]]) -> None:
        """Measure layers that were never measured, each given as snapshotter and snapshot; never raises.

        This costs nothing when there are none. It returns after a short while at most; the measurement then goes on.
        """
        new = [place for place in places if place[1] not in self._usages.get(place[0], {place[1]: None})]
        if new:
            rootless = {snapshotter for snapshotter, _ in new if snapshotter not in self._roots}
            await self._first.take([*((snapshotter, "") for snapshotter in rootless), *new])

    async def _measure_first(self, place: tuple[str, str]) -> None:
        """Measure the layer of a container, which is an active snapshot; raises ContainerdError."""
        snapshotter, key = place
        if not key:
            self._roots[snapshotter] = await self._root(snapshotter)
            return
        await self._locate(snapshotter, [key])
        counted = await self._count(snapshotter, [key])
        usage = counted.get(key) or await self._asked_for(self._client.snapshots(snapshotter), key, active=True)
        self._usages[snapshotter][key] = usage

    def usage(self, snapshotter: str, key: str) -> Usage | None:
        """Return the last measurement of one snapshot; None if it has none."""
        return self._usages.get(snapshotter, {}).get(key)

    def mountpoint(self, snapshotter: str) -> str:
        """Return where the snapshotter keeps its files, as in :meth:`filesystems`; empty before the first sample."""
        return self._roots.get(snapshotter, "")

    def filesystems(self) -> tuple[SnapshotterUsage, ...]:
        """Return one entry for each snapshotter that has been sampled, the default one first."""
        return tuple(self._sum(name) for name in self._usages if name in self._sampled_ns)

    async def filesystems_now(self) -> tuple[SnapshotterUsage, ...]:
        """Like :meth:`filesystems`, but take the first sample if there is none yet. Raises ContainerdError."""
        if not self._sampled_ns:
            await self.sample()
        return self.filesystems()

    async def sample(self) -> None:
        """Measure what is new or active, and forget what is gone.

        A snapshotter that fails keeps its last sample and does not affect the others. Raises ContainerdError if all
        fail.
        """
        self._samples += 1
        self._first.forget()
        for snapshotter in self._usages:
            try:
                await self._sample(snapshotter)
            except Unavailable:
                raise
            except ContainerdError as error:
                self._note_failure(snapshotter, error)
            else:
                self._failed.pop(snapshotter, None)
        if len(self._failed) == len(self._usages):
            raise next(iter(self._failed.values()))

    def _note_failure(self, snapshotter: str, error: ContainerdError) -> None:
        before = self._failed.get(snapshotter)
        if before is None or str(before) != str(error):
            log.warning("snapshot_usage.failed", snapshotter=snapshotter, error=str(error))
        self._failed[snapshotter] = error

    async def _sample(self, snapshotter: str) -> None:
        if snapshotter not in self._roots:
            self._roots[snapshotter] = await self._root(snapshotter)
        snapshots = self._client.snapshots(snapshotter)
        began_ns = time.time_ns()
        before = self._usages[snapshotter]
        present = await self._list(snapshotter)
        active = [name for name, is_active in present.items() if is_active]
        self._forget(snapshotter, active)
        resting = (
            {}
            if self._samples % RARELY == 0
            else {key: before[key] for key in active if key in before and self._idle(key)}
        )
        busy = [key for key in active if key not in resting]
        await self._locate(snapshotter, busy)
        after = resting | await self._count(snapshotter, busy)
        slots = asyncio.Semaphore(AT_ONCE)

        async def measure(name: str, *, is_active: bool) -> None:
            known = before.get(name)
            if known is not None and not is_active and not known.active:
                after[name] = known
                return
            async with slots:
                try:
                    after[name] = await self._asked_for(snapshots, name, active=is_active)
                except NotFound:
                    return
                except Unavailable:
                    raise
                except ContainerdError as error:
                    # For example, a directory vanished during the walk: the rest still counts.
                    log.debug("snapshot_usage.one_failed", snapshot=name, error=str(error))

        left = (measure(name, is_active=is_active) for name, is_active in present.items() if name not in after)
        for outcome in await asyncio.gather(*left, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        # What was measured meanwhile may be newer than the list of snapshots.
        current = self._usages[snapshotter].items()
        after |= {name: usage for name, usage in current if usage.measured_ns >= began_ns and name not in after}
        self._usages[snapshotter] = after
        self._sampled_ns[snapshotter] = time.time_ns()

    async def _list(self, snapshotter: str) -> dict[str, bool]:
        owners = self._owners()
        known = self._known_snapshots.get(snapshotter)
        if known is not None and known[0] == owners and self._samples % RARELY:
            return known[1]
        infos = await self._client.snapshots(snapshotter).list()
        present = {info.name: info.kind == snapshots_pb2.ACTIVE for info in infos}
        self._known_snapshots[snapshotter] = owners, present
        return present

    async def _asked_for(self, snapshots: Snapshots, key: str, *, active: bool) -> Usage:
        measured_ns = time.time_ns()
        size, inodes = await snapshots.usage(key)
        return Usage(size, inodes, measured_ns, active)

    def _forget(self, snapshotter: str, active: Sequence[str]) -> None:
        present = set(active)
        gone = [place for place in self._directories if place[0] == snapshotter and place[1] not in present]
        for place in gone:
            del self._directories[place]
            self._counted.pop(place, None)

    async def _locate(self, snapshotter: str, keys: Iterable[str]) -> None:
        """Ask once for each active snapshot where its writable layer is; a snapshot that is gone has none."""
        for key in keys:
            if (snapshotter, key) in self._directories:
                continue
            try:
                mounts = await self._client.snapshots(snapshotter).mounts(key)
            except Unavailable:
                raise
            except ContainerdError as error:
                log.debug("snapshot_usage.one_failed", snapshot=key, error=str(error))
                continue  # its place is asked for again next time; until then containerd counts it, if it exists
            self._directories[snapshotter, key] = upper_directory(mounts)

    async def _count(self, snapshotter: str, keys: Iterable[str]) -> dict[str, Usage]:
        """Count the small layers, all in one call to a thread; from now on containerd counts those that are not."""
        places = {
            key: (place, self._counted.get((snapshotter, key)))
            for key in keys
            if (place := self._directories.get((snapshotter, key)))
        }
        counted = await run(FS, _counted, places) if places else {}
        for key in places.keys() - counted.keys():
            self._directories[snapshotter, key] = ""
            self._counted.pop((snapshotter, key), None)
        usages = {}
        for key, (usage, measured_ns) in counted.items():
            self._counted[snapshotter, key] = usage
            usages[key] = Usage(usage.size, usage.inodes, measured_ns, active=True)
        return usages

    async def _root(self, snapshotter: str) -> str:
        return await run(FS, existing_root, await self._client.introspection.plugins(), snapshotter)

    def _sum(self, snapshotter: str) -> SnapshotterUsage:
        usages = self._usages[snapshotter].values()
        return SnapshotterUsage(
            snapshotter,
            self._roots[snapshotter],
            min(sum(usage.bytes for usage in usages), LARGEST),
            min(sum(usage.inodes for usage in usages), LARGEST),
            # Committed snapshots are not measured again, but their figures still hold at the sample's own time.
            self._sampled_ns[snapshotter],
        )


def upper_directory(mounts: Sequence[Mount]) -> str:
    """Return where an overlay keeps what is written to it; empty for any other kind of snapshot."""
    if len(mounts) != 1 or mounts[0].type != "overlay":
        return ""
    upper = (option.removeprefix("upperdir=") for option in mounts[0].options if option.startswith("upperdir="))
    return next(upper, "")


def _counted(places: Mapping[str, tuple[str, DiskUsage | None]]) -> dict[str, tuple[DiskUsage, int]]:
    usages = {}
    for key, (place, before) in places.items():
        measured_ns = time.time_ns()
        try:
            usage = disk_usage(place, SMALL, before)
        except OSError:  # it is gone, or containerd has another root file system: let containerd count
            continue
        if usage is not None:
            usages[key] = usage, measured_ns
    return usages
