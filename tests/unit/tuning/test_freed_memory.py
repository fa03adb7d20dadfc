"""Memory that was needed for a moment does not stay with the daemon."""

from __future__ import annotations

from itertools import repeat

import pytest

from cri_shim.kernel import LinuxKernel, RecordingKernel
from cri_shim.tuning.freed_memory import LONGEST_PAUSE, FreedMemory, own_memory

MIB = 1 << 20


def test_what_was_freed_below_something_that_stays_is_given_back():
    """Pieces too small for mappings of their own, of which the last one stays: glibc alone would keep them all."""
    LinuxKernel().give_back_memory()  # what other tests have left free would be taken first
    memory = FreedMemory(LinuxKernel())
    before = own_memory()
    pieces = [b"x" * 100_000 for _ in range(400)]
    last = b"y" * 100_000
    grown = own_memory()
    assert grown > before + 30 * MIB
    pieces.clear()
    memory.look()
    assert own_memory() < grown - 30 * MIB
    assert last


class FakeProcess:
    """A process of so many MiB, of which some are free and go when they are given back."""

    def __init__(self, size):
        self.used, self.free = size, 0
        self.kernel = RecordingKernel()
        self.memory = FreedMemory(self.kernel, self.size)

    def size(self):
        return (self.used + self.free) * MIB

    def look(self):
        """Look once; whether anything was given back."""
        before = len(self.kernel.names())
        self.memory.look()
        gave = len(self.kernel.names()) > before
        if gave:
            self.free = 0
        return gave


@pytest.fixture
def process():
    """A daemon that has just started."""
    return FakeProcess(55)


def test_who_has_not_grown_is_left_alone(process):
    """A quiet daemon pays for a look and no more."""
    process.free = 2
    assert not any(process.look() for _ in range(10))


def test_a_look_in_the_middle_of_a_pull(process):
    """What was in use then and is free later is given back later."""
    process.used = 80
    assert process.look()
    process.used, process.free = 56, 24
    assert any(process.look() for _ in repeat(None, 3))
    assert process.size() == 56 * MIB


def test_a_daemon_that_needs_more_is_asked_ever_less(process):
    """With many pods it stays larger than it began, and hardly pays for it; when it grows again it is asked at once."""
    process.used = 70
    asked = [process.look() for _ in range(200)]
    assert asked[0]
    assert sum(asked) < 14
    assert sum(asked[-LONGEST_PAUSE:]) <= 1
    process.free = 10
    assert process.look()
