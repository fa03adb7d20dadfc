"""How long the client goes on with a call that fails, by a clock that moves in its pauses only."""

from __future__ import annotations

import time
from types import SimpleNamespace

import grpc
import pytest
import tenacity

from containerd_client import Containerd, Unavailable, call, call_options, options
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.retry import BUDGET, BUDGET_AWAY, FIRST_PAUSE, LONGEST_PAUSE
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]

VERSION = "containerd.services.version.v1.Version/Version"
LONGEST = LONGEST_PAUSE + FIRST_PAUSE / 2


@pytest.fixture(autouse=True)
def clock(virtual_time, monkeypatch):
    """The clock of all pauses and deadlines. The limit of a single call, which gRPC keeps, is that of its method."""
    monkeypatch.setattr(tenacity, "time", SimpleNamespace(monotonic=virtual_time.perf_counter, sleep=time.sleep))
    monkeypatch.setattr(options, "monotonic", virtual_time.perf_counter)
    monkeypatch.setattr(call, "within", lambda limit, _remaining: limit)
    return virtual_time


async def test_repeating_ends_after_two_seconds(client, fake, hops, clock):
    """Without a deadline the caller gets the last error when the next pause would take longer."""
    fake.script[VERSION] = [grpc.StatusCode.UNAVAILABLE]
    began = clock.now
    with pytest.raises(Unavailable):
        await client.version.get()
    assert BUDGET - LONGEST < clock.now - began <= BUDGET
    assert hops[0].attempts > 3


async def test_repeating_stays_inside_the_deadline(client, fake, clock):
    """A caller with 0.7 s does not wait longer, and gets the real error."""
    fake.script[VERSION] = [grpc.StatusCode.UNAVAILABLE]
    began = clock.now
    with call_options(timeout=0.7), pytest.raises(Unavailable):
        await client.version.get()
    assert 0.7 - LONGEST < clock.now - began <= 0.7


@pytest.mark.parametrize("long", [None, 60.0])
async def test_an_absent_socket_fails_within_a_second(tmp_path, hops, clock, long):
    """Whatever the deadline: containerd is away, say so soon, and say why."""
    async with Containerd(str(tmp_path / "none.sock"), on_hop=hops.append) as client:
        began = clock.now
        with call_options(timeout=long), pytest.raises(Unavailable, match="No such file") as failure:
            await client.containers.create(containers_pb2.Container(id="a"))
        assert BUDGET_AWAY - LONGEST < clock.now - began <= BUDGET_AWAY
        assert failure.value.never_sent
    assert hops[0].attempts > 1
