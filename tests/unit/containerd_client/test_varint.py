"""Whole numbers in protobuf's form."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from containerd_client.encoding.varint import varint
from cri_shim.api.runtime.v1 import runtime_pb2 as cri


@given(st.integers(0, 2**40))
def test_varints_read_back(value):
    """Our numbers are protobuf's: a message with the same field has the same bytes."""
    assert cri.PodSandbox(created_at=value).SerializeToString() == (b"\x20" + varint(value) if value else b"")
