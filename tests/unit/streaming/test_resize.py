"""Terminal sizes from a stream of JSON."""

from __future__ import annotations

from itertools import pairwise

import pytest
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


@pytest.mark.parametrize(
    ("sent", "size"),
    [
        (b'{"width":80,"HEIGHT":24}', Size(80, 24)),
        (b'{"Width":80,"Height":24,"Width":81}', Size(81, 24)),
        (b'{"Width":80,"Height":24,"height":null}', Size(80, 24)),
        (b'{"Width":80,"Height":24,"DPI":96.5}', Size(80, 24)),
    ],
)
def test_a_size_is_read_as_go_reads_it(sent: bytes, size: Size) -> None:
    """Clients in other languages are tested with the kubelet, which is a Go program."""
    assert ResizeReader().feed(sent) == [size]


@pytest.mark.parametrize("side", ["-1", "65536", "80.0", "8e1", "true", '"80"', "[80]", "1" * 5000, "1e400"])
def test_a_size_that_go_would_not_read_is_skipped(side: str) -> None:
    """The session goes on with the size before."""
    reader = ResizeReader()
    assert reader.feed(f'{{"Width":{side},"Height":24}}{{"Width":1,"Height":2}}'.encode()) == [Size(1, 2)]


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
