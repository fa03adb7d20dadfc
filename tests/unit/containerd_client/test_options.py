"""Options nest: the earlier deadline wins, the inner lease and namespace win, metadata adds up."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from containerd_client import DeadlineExceeded, call_options, detached_options
from containerd_client.api.containerd.services.version.v1 import version_pb2
from containerd_client.options import current

VERSION = "containerd.services.version.v1.Version/Version"


def remaining() -> float:
    options = current.get()
    assert options is not None
    left = options.remaining()
    assert left is not None
    return left


def test_the_earlier_deadline_wins_both_ways():
    """An inner block can shorten the time it was given, never lengthen it."""
    with call_options(timeout=10):
        with call_options(timeout=1):
            assert remaining() <= 1
        with call_options(timeout=100):
            assert 9 < remaining() <= 10
        assert 9 < remaining() <= 10
    assert current.get() is None


def test_a_passed_deadline_leaves_zero_and_not_less():
    """gRPC is never given a negative time."""
    with call_options(timeout=-5):
        assert remaining() == 0


def test_lease_and_namespace_are_inherited_replaced_and_removed():
    """None inherits, a string replaces, an empty one removes."""
    with call_options(lease="l1", namespace="n1", metadata=[("a", "1")]):
        with call_options(timeout=1, metadata=[("b", "2")]):
            options = current.get()
            assert options is not None
            assert options.metadata("own") == (
                ("containerd-namespace", "n1"),
                ("containerd-lease", "l1"),
                ("a", "1"),
                ("b", "2"),
            )
        with call_options(lease="", namespace=""):
            options = current.get()
            assert options is not None
            assert options.metadata("own") == (("containerd-namespace", "own"), ("a", "1"))


def test_options_are_gone_after_an_exception():
    """A block that fails leaves nothing behind."""
    with pytest.raises(ValueError, match="x"), call_options(lease="l"):
        raise ValueError("x")
    assert current.get() is None


async def test_a_task_inherits_and_can_detach():
    """What outlives a request must be able to forget the request's deadline."""

    async def check() -> object:
        with detached_options():
            return current.get()

    with call_options(timeout=5):
        assert await asyncio.create_task(check()) is None
        assert current.get() is not None


async def test_they_reach_the_wire(client, fake):
    """Namespace, lease, metadata and deadline of the block are those of the call."""
    fake.script[VERSION] = [version_pb2.VersionResponse(version="1")]
    await client.version.get()
    with call_options(lease="l", namespace="other", metadata=[("traceparent", "00-x")]):
        await client.version.get()
    first, second = fake.metadata[VERSION]
    assert first["containerd-namespace"] == "ns"
    assert "containerd-lease" not in first
    assert (second["containerd-namespace"], second["containerd-lease"], second["traceparent"]) == ("other", "l", "00-x")


async def test_the_deadline_ends_the_call(client, fake):
    """A server that never answers costs the caller its deadline and no more."""

    async def never(_request: bytes) -> version_pb2.VersionResponse:
        await asyncio.Event().wait()
        return version_pb2.VersionResponse()

    fake.script[VERSION] = [never]
    began = monotonic()
    with call_options(timeout=0.2), pytest.raises(DeadlineExceeded):
        await client.version.get()
    assert monotonic() - began > 0.15
