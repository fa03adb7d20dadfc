"""Readings shared between callers, and the samples before them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, cast

from cri_shim.kernel.cgroups import Cgroup
from cri_shim.stats.reader import Readout, Subject
from cri_shim.stats.sampler import Sampler
from cri_shim.stats.values import NOTHING, Usage

SECOND = 1_000_000_000
ONE, TWO = Subject("one", 1), Subject("two", 2)


class FakeReader:
    """Answers without files: every subject uses one core. Keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], bool]] = []
        self.known: list[Cgroup | None] = []
        self.gone: set[str] = set()
        self.threads: set[str] = set()
        self.shift_ns = 0

    def usages(self, wanted, *, count):
        self.asked.append(([subject.id for subject, _ in wanted], count))
        self.known += [known for _, known in wanted]
        self.threads.add(threading.current_thread().name)
        return [self._readout(subject, count) for subject, _ in wanted]

    def _readout(self, subject, count):
        if subject.id in self.gone:
            return Readout()
        now = time.monotonic_ns() + self.shift_ns
        return Readout(Cgroup(f"/{subject.id}", {}), Usage(time.time_ns(), now, cpu_ns=now), 3 if count else None)

    def cpu_times(self, wanted):
        self.asked.append(([f"cpu of {subject.id}" for subject, _ in wanted], False))
        now = time.monotonic_ns() + self.shift_ns
        return [(Cgroup(f"/{subject.id}", {}), now) for subject, _ in wanted]

    def details(self, wanted):
        raise AssertionError(f"no test here asks for details of {wanted}")


def made(living=(), **settings):
    """A sampler with a clock that stands still unless it is moved."""
    reader, now = FakeReader(), [100.0]
    return Sampler(cast("Any", reader), lambda: living, clock=lambda: now[0], **settings), reader, now


async def test_callers_of_a_moment_share_a_reading():
    """Ten callers at once and one soon after make one pass; one later makes another."""
    sampler, reader, now = made()
    answers = await asyncio.gather(*(sampler.read([ONE, TWO]) for _ in range(10)))
    now[0] += 0.4
    await sampler.read([TWO])
    assert reader.asked == [(["one", "two"], False)]
    assert all(answer["one"] is answers[0]["one"] for answer in answers)
    now[0] += 0.2
    await sampler.read([ONE])
    assert reader.asked[1:] == [(["one"], False)]


async def test_only_what_is_old_is_read_again():
    """A list after a single request reads only what that one did not."""
    sampler, reader, _ = made()
    await sampler.read([ONE])
    await sampler.read([ONE, TWO])
    assert reader.asked == [(["one"], False), (["two"], False)]


async def test_files_are_read_in_a_thread():
    """The event loop never reads a file."""
    sampler, reader, _ = made()
    await sampler.read([ONE])
    assert all(name.startswith("stats") for name in reader.threads)


async def test_processes_are_counted_when_asked_for():
    """A reading without processes does not serve a caller that wants them; the other way round it does."""
    sampler, reader, _ = made()
    assert (await sampler.read([ONE]))["one"].processes is None
    assert (await sampler.read([ONE], count=True))["one"].processes == 3
    assert (await sampler.read([ONE]))["one"].processes == 3
    assert len(reader.asked) == 2


async def test_one_that_has_gone_does_not_spoil_the_others():
    """The list is complete; the one that could not be read says nothing."""
    sampler, reader, _ = made()
    reader.gone.add("one")
    readings = await sampler.read([ONE, TWO])
    assert readings["one"].usage is None
    assert readings["one"].nano_cores is None
    assert readings["two"].usage is not None


async def test_a_cgroup_is_found_once():
    """The second pass is given what the first has found, and looks again for what had gone."""
    sampler, reader, now = made()
    reader.gone.add("two")
    await sampler.read([ONE, TWO])
    now[0] += 1
    await sampler.read([ONE, TWO])
    assert reader.known == [None, None, Cgroup("/one", {}), None]


async def test_another_process_is_another_container():
    """After a restart of the container nothing of the one before it counts."""
    sampler, reader, _ = made()
    await sampler.read([ONE])
    await sampler.read([Subject("one", 9)])
    assert reader.known == [None, None]


async def test_the_background_gives_the_first_request_a_rate():
    """Without a pass before there is no rate, with one there is."""
    sampler, reader, _ = made([ONE])
    assert (await sampler.read([TWO]))["two"].nano_cores is None
    await sampler.background_pass()
    reader.shift_ns = 2 * SECOND
    rate = (await sampler.read([ONE]))["one"].nano_cores
    assert rate is not None
    assert abs(rate - SECOND) < SECOND // 100


async def test_the_background_spares_what_was_read_just_now():
    """What a request has read needs no pass; later it does."""
    sampler, reader, now = made([ONE, TWO])
    await sampler.read([ONE])
    await sampler.background_pass()
    assert reader.asked[-1] == (["cpu of two"], False)
    now[0] += 60
    await sampler.background_pass()
    assert reader.asked[-1] == (["cpu of one", "cpu of two"], False)


async def test_what_is_gone_is_forgotten():
    """Only what lives is kept, however much was asked for."""
    living = [ONE]
    sampler, _, _ = made(living)
    await sampler.read([Subject(str(number), number) for number in range(50)])
    await sampler.background_pass()
    assert len(sampler) == 1
    living.clear()
    await sampler.background_pass()
    assert len(sampler) == 0


async def test_a_pass_that_fails_does_not_end_the_background():
    """An error is logged, and the next pass is made."""
    passes = []

    def living():
        passes.append(1)
        raise RuntimeError("on purpose")

    sampler = Sampler(cast("Any", FakeReader()), living, period=0.01)
    task = asyncio.create_task(sampler.run())
    while len(passes) < 3:
        await asyncio.sleep(0.01)
    task.cancel()


async def test_nothing_to_read():
    """No subjects, no pass."""
    sampler, reader, _ = made()
    assert await sampler.read([]) == {}
    assert reader.asked == []
    assert NOTHING.usage is None
