"""Terminal sizes from a stream of JSON."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cri_shim.streaming.remote import Size
from cri_shim.streaming.resize import ResizeReader

SENT = b'{"Width":80,"Height":24}\n{"Width":0,"Height":0}{"Width":1,"Height":"x"}[]}{"Width":132,"Height":50}'


@given(st.lists(st.integers(0, len(SENT)), max_size=8))
def test_sizes_are_found_wherever_messages_are_cut(cuts: list[int]) -> None:
    """Zero sizes and nonsense are skipped, the rest arrives in order."""
    reader = ResizeReader()
    places = sorted({0, len(SENT), *cuts})
    assert [s for a, b in pairwise(places) for s in reader.feed(SENT[a:b])] == [Size(80, 24), Size(132, 50)]


@given(st.binary(max_size=200))
def test_noise_is_no_size(noise: bytes) -> None:
    """Nothing is raised, and every size has sides."""
    assert all(size.width > 0 and size.height > 0 for size in ResizeReader().feed(noise + b"}"))


def test_what_never_ends_is_thrown_away() -> None:
    """A kilobyte without an end is no message."""
    reader = ResizeReader()
    for _ in range(100):
        reader.feed(b"{" * 1000)
    assert len(reader._buffer) <= 1024
