"""Share readings between callers, and remember the one before each, so that there is a rate.

A request reads again when the last reading is older than :data:`SHARED_SECONDS`. A slow background pass reads only the
CPU counters, so that even the first request has a sample before it. One thread reads, one batch at a time, and the
event loop never waits for a file. Of each subject the sampler keeps two readings of its counter and the last values.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import structlog

from cri_shim.kernel.executors import run
from cri_shim.stats.rate import CpuHistory
from cri_shim.stats.reader import measured
from cri_shim.stats.values import NOTHING, Details, Processes, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from cri_shim.kernel.cgroups import Cgroup
    from cri_shim.stats.reader import Reader, Readout, Subject

SHARED_SECONDS = 0.5
"""Callers within this time get the same reading, because the kubelet asks for the same values several times in a round.
"""

BACKGROUND_SECONDS = 10.0
"""Seconds between two passes over the CPU counters; the next pass reads new subjects."""

RENEWED_SECONDS = 50.0
"""Age at which a counter that no request has read is read again, as a base for the rate that the next request needs."""

# Threads of their own, because a dead network file system stops the threads for files, and must not stop these.
THREAD: Final = ThreadPoolExecutor(1, thread_name_prefix="stats")
DETAILS_THREAD: Final = ThreadPoolExecutor(1, thread_name_prefix="metrics")

log = structlog.get_logger(__name__)


class _Entry:
    """What is kept of one subject."""

    __slots__ = ("cgroup", "counted", "history", "pid", "reading", "sampled", "taken")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.cgroup: Cgroup | None = None
        self.history = CpuHistory()
        self.reading = NOTHING
        self.taken = float("-inf")
        self.sampled = float("-inf")
        self.counted = False


class Sampler:
    """Reads subjects on request and in the background.

    ``living`` returns the subjects that exist, for the background pass.
    """

    def __init__(
        self,
        reader: Reader,
        living: Callable[[], Iterable[Subject]],
        *,
        shared: float = SHARED_SECONDS,
        period: float = BACKGROUND_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._living = living
        self._shared = shared
        self._period = period
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._lock = asyncio.Lock()

    async def read(self, subjects: Sequence[Subject], *, count: bool = False) -> Mapping[str, Reading]:
        """Return a reading of each subject, by id, at most :data:`SHARED_SECONDS` old.

        With ``count``, including its processes.
        """
        if self._stale(subjects, count=count):
            async with self._lock:
                # The caller that held the lock before may have read what this one wants.
                stale = self._stale(subjects, count=count)
                if stale:
                    wanted = [(subject, self._entry(subject).cgroup) for subject in stale]
                    usages = await run(THREAD, self._reader.usages, wanted, count=count)
                    for subject, one in zip(stale, usages, strict=True):
                        self._keep(subject, one, counted=count)
        return {
            subject.id: entry.reading if (entry := self._entries.get(subject.id)) is not None else NOTHING
            for subject in subjects
        }

    async def details(self, subjects: Sequence[Subject]) -> Mapping[str, tuple[Details | None, Processes | None]]:
        """Return the values that only metrics need, by id; the subjects must have been read before.

        These readings are not shared, because they are rarely requested.
        """
        wanted = [(subject, self._entry(subject).cgroup) for subject in subjects]
        read = await run(DETAILS_THREAD, self._reader.details, wanted)
        return {subject.id: one for subject, one in zip(subjects, read, strict=True)}

    async def run(self) -> None:
        """Read the CPU counters for ever, and forget subjects that are gone.

        A failure is logged; this never raises.
        """
        while True:
            try:
                await self.background_pass()
            except Exception:  # the next pass must come in any case, since a pause would cost the rates
                log.exception("stats.background_failed")
            await asyncio.sleep(self._period)

    async def background_pass(self) -> None:
        """Run one pass over the living subjects, except those that were read recently, by a request or here."""
        living = {subject.id: subject for subject in self._living()}
        for id_ in [id_ for id_ in self._entries if id_ not in living]:
            del self._entries[id_]
        async with self._lock:
            due = self._clock() - RENEWED_SECONDS
            subjects = [subject for subject in living.values() if self._entry(subject).sampled < due]
            if not subjects:
                return
            wanted = [(subject, self._entry(subject).cgroup) for subject in subjects]
            times = await run(THREAD, self._reader.cpu_times, wanted)
            for subject, (cgroup, cpu_ns) in zip(subjects, times, strict=True):
                entry = self._entry(subject)
                entry.cgroup = cgroup
                if cpu_ns is not None:
                    entry.sampled = self._clock()
                    entry.history.add(time.monotonic_ns(), cpu_ns)

    def __len__(self) -> int:
        return len(self._entries)

    def _stale(self, subjects: Sequence[Subject], *, count: bool) -> list[Subject]:
        oldest = self._clock() - self._shared
        return [
            subject
            for subject in subjects
            if (entry := self._entry(subject)).taken < oldest or (count and not entry.counted)
        ]

    def _entry(self, subject: Subject) -> _Entry:
        entry = self._entries.get(subject.id)
        if entry is None or entry.pid != subject.pid:
            entry = self._entries[subject.id] = _Entry(subject.pid)
        return entry

    def _keep(self, subject: Subject, reading: Readout, *, counted: bool) -> None:
        entry = self._entry(subject)
        entry.cgroup = reading.own
        entry.taken = self._clock()
        entry.counted = counted
        usage = reading.usage
        nano_cores = None
        if usage is not None and usage.cpu_ns is not None:
            entry.sampled = entry.taken
            nano_cores = entry.history.add(usage.monotonic_ns, usage.cpu_ns)
        entry.reading = Reading(
            usage=usage,
            nano_cores=nano_cores,
            processes=reading.processes,
            interfaces=reading.interfaces,
            cgroup_path=measured(subject, reading.own).path if reading.own is not None else "",
        )
