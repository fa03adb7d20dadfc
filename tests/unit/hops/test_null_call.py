"""The idle null call: what is taken for transport when containerd exports no spans."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from containerd_client import ContainerdError
from containerd_client.errors import Unavailable
from cri_shim.hops import null_call
from cri_shim.hops.ledger import Ledger
from cri_shim.hops.null_call import NullCall

if TYPE_CHECKING:
    import pytest


class FakeVersion:
    """Answers after the next of some times; an error where there is one in its place."""

    def __init__(self, *answers: float | ContainerdError) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def get(self) -> None:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else 0.001
        if isinstance(answer, ContainerdError):
            raise answer
        await asyncio.sleep(answer)


def measuring(ledger: Ledger, *answers: float | ContainerdError) -> tuple[NullCall, FakeVersion]:
    """The measurer on a client that is none."""
    version = FakeVersion(*answers)
    client: Any = SimpleNamespace(version=version)
    return NullCall(client, ledger), version


async def test_the_median_of_the_last_calls_counts() -> None:
    """A single slow call does not move it, and old calls go."""
    ledger = Ledger()
    call, _ = measuring(ledger, 0.001, 0.2, 0.001)
    for _ in range(3):
        assert await call.measure()
    known = ledger.transport.curve.at(1.0)
    assert known is not None
    assert 0.001 <= known.seconds < 0.1


async def test_a_call_beside_a_request_does_not_count() -> None:
    """A request that came in meanwhile has used the same loop and machine, even if it is over already."""
    ledger = Ledger()
    call, _ = measuring(ledger, 0.05)
    measured = asyncio.create_task(call.measure())
    await asyncio.sleep(0.01)
    ledger.close(ledger.open("ListPodSandbox"))
    assert not await measured
    assert ledger.transport.curve.at(1.0) is None


async def test_a_containerd_that_is_away_is_no_measure() -> None:
    """Nothing is known then, and nothing raised."""
    ledger = Ledger()
    call, _ = measuring(ledger, Unavailable("Version", "gone"))
    assert not await call.measure()
    assert ledger.transport.curve.at(1.0) is None


async def test_it_waits_for_an_idle_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is called while a request is in hand; a few calls come as soon as there is none."""
    monkeypatch.setattr(null_call, "SOON", 0.005)
    ledger = Ledger()
    call, version = measuring(ledger)
    request = ledger.open("RunPodSandbox")
    running = asyncio.create_task(call.run())
    await asyncio.sleep(0.05)
    assert version.asked == 0
    ledger.close(request)
    async with asyncio.timeout(10):
        while version.asked < null_call.FIRST:
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    assert version.asked == null_call.FIRST
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
