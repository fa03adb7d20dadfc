"""Pauses grow and never end."""

from __future__ import annotations

from itertools import islice

from cri_shim.concurrency.pauses import doubling, ending_with_last


def test_doubling() -> None:
    """Up to the longest, which need not be a multiple of the first."""
    assert list(islice(doubling(0.5, 3.0), 5)) == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_ending_with_last() -> None:
    """A list is given as it is; its end holds."""
    assert list(islice(ending_with_last((1.0, 5.0)), 4)) == [1.0, 5.0, 5.0, 5.0]
