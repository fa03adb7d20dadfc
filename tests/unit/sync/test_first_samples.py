"""Measurements that are taken when they are first asked for: shared, waited for only so long, not repeated at once."""

from __future__ import annotations

import asyncio

import pytest

from containerd_client.errors import NotFound
from cri_shim.sync import first_samples
from cri_shim.sync.first_samples import FirstSamples


class Disk:
    """Counts what is measured; what is not ``ready`` hangs, what is ``broken`` fails."""

    def __init__(self):
        self.begun = []
        self.done = set()
        self.ready = asyncio.Event()
        self.ready.set()
        self.broken = set()

    async def measure(self, place):
        """One measurement."""
        self.begun.append(place)
        await self.ready.wait()
        if place in self.broken:
            raise NotFound("Snapshots/Usage", "no such snapshot")
        self.done.add(place)


PLACES = [("overlayfs", f"c{number}") for number in range(50)]


async def test_all_are_measured_before_the_answer():
    """Many at once, more than run at the same time."""
    disk = Disk()
    await FirstSamples(disk.measure).take(PLACES)
    assert disk.done == set(PLACES)


async def test_two_who_ask_share_one_measurement():
    """The second waits for what the first has begun."""
    disk = Disk()
    samples = FirstSamples(disk.measure)
    await asyncio.gather(samples.take(PLACES[:3]), samples.take(PLACES[:3]))
    assert sorted(disk.begun) == PLACES[:3]
    assert disk.done == set(PLACES[:3])


async def test_a_disk_that_hangs_is_waited_for_once(monkeypatch):
    """The first request waits its time, later ones do not; the measurement is kept when it comes."""
    monkeypatch.setattr(first_samples, "WAITED_SECONDS", 0.2)
    disk = Disk()
    disk.ready.clear()
    samples = FirstSamples(disk.measure)
    await samples.take(PLACES)
    assert not disk.done
    monkeypatch.setattr(first_samples, "WAITED_SECONDS", 600)
    await asyncio.wait_for(samples.take(PLACES), 30)
    disk.ready.set()
    for _ in range(200):
        await asyncio.sleep(0)
    assert disk.done == set(PLACES)


async def test_a_measurement_that_hangs_for_good_ends(monkeypatch):
    """It gives its place to others, and is tried again later."""
    monkeypatch.setattr(first_samples, "LIMIT_SECONDS", 0.05)
    disk = Disk()
    disk.ready.clear()
    clock = Clock()
    samples = FirstSamples(disk.measure, clock=clock)
    await samples.take(PLACES[:1])
    disk.ready.set()
    clock.now += first_samples.AGAIN_SECONDS
    await samples.take(PLACES[:1])
    assert disk.done == {PLACES[0]}


class Clock:
    """A clock that a test puts forward."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        """Give the time."""
        return self.now


@pytest.mark.parametrize("forget", [False, True])
async def test_what_fails_is_not_asked_for_at_once_again(forget):
    """A snapshot that is not there costs one attempt in a while, and spoils nothing of the others."""
    disk, clock = Disk(), Clock()
    disk.broken.add(PLACES[1])
    samples = FirstSamples(disk.measure, clock=clock)
    await samples.take(PLACES[:3])
    await samples.take([PLACES[1]])
    assert disk.begun.count(PLACES[1]) == 1
    assert disk.done == {PLACES[0], PLACES[2]}
    clock.now += first_samples.AGAIN_SECONDS
    if forget:
        samples.forget()
    disk.broken.clear()
    await samples.take([PLACES[1]])
    assert PLACES[1] in disk.done


async def test_nothing_to_measure_costs_nothing():
    """Not even a turn of the event loop."""
    samples = FirstSamples(Disk().measure)
    coroutine = samples.take([])
    with pytest.raises(StopIteration):
        coroutine.send(None)
