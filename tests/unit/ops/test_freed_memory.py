"""Memory that was needed for a moment does not stay with the daemon."""

from __future__ import annotations

from cri_shim.kernel import LinuxKernel, RecordingKernel
from cri_shim.ops.freed_memory import WORTH, give_back, resident

MIB = 1 << 20


def test_what_was_freed_below_something_that_stays_is_given_back():
    """Pieces too small for mappings of their own, of which the last one stays: glibc alone would keep them all."""
    before = resident()
    pieces = [b"x" * 100_000 for _ in range(400)]
    last = b"y" * 100_000
    grown = resident()
    assert grown > before + 30 * MIB
    pieces.clear()
    assert give_back(LinuxKernel(), 0) < grown - 30 * MIB
    assert last


def test_who_has_not_grown_is_left_alone():
    """A quiet daemon pays for a look and no more."""
    kernel = RecordingKernel()
    size = resident()
    assert give_back(kernel, size + WORTH) == size + WORTH
    assert kernel.names() == []
    assert give_back(kernel, size - 2 * WORTH) >= size // 2
    assert kernel.names() == ["give_back_memory"]
