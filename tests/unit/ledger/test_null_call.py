"""Null calls: what is measured of them, at which moments, and that they stay a trickle."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from containerd_client.errors import Unavailable
from containerd_client.hops import Hop
from cri_shim.ledger import null_call
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.null_call import NullCall
from cri_shim.ledger.transport.byte_cost import PAYLOAD
from cri_shim.ledger.transport.gap_curve import GAPS
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROUND = 1 + len(GAPS) + 1


class FakeVersion:
    """Takes its time, and reports itself as the client does; ``away``: it answers with an error."""

    def __init__(self, ledger: Ledger, seconds: float = 0.001) -> None:
        self.ledger = ledger
        self.seconds = seconds
        self.asked: list[int] = []
        self.away = False

    async def get(self, message: Any) -> None:
        self.asked.append(len(message.SerializeToString()))
        if self.away:
            raise Unavailable("Version", "gone")
        started = time.perf_counter()
        self.ledger.note_call("Version", started)
        await asyncio.sleep(self.seconds)
        self.ledger.note_hop(Hop("Version", started, time.perf_counter() - started, 0, 0, 1, "OK"))


def measuring(ledger: Ledger, seconds: float = 0.001) -> tuple[NullCall, FakeVersion]:
    """The measurer on a client that is none."""
    version = FakeVersion(ledger, seconds)
    client: Any = SimpleNamespace(version=version)
    return NullCall(client, ledger), version


@pytest.fixture(autouse=True)
def short_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest gap takes a second."""
    monkeypatch.setattr(null_call, "GAPS", GAPS[:-1])
    monkeypatch.setattr(null_call, "EVERY", 0.05)
    monkeypatch.setattr(null_call, "SOON", 0.005)


@asynccontextmanager
async def running(call: NullCall) -> AsyncIterator[None]:
    task = asyncio.create_task(call.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


async def test_a_round_measures_every_gap_and_what_bytes_cost() -> None:
    """One call after each gap, and one that carries bytes; all others carry none."""
    ledger = Ledger()
    call, version = measuring(ledger)
    assert await call.measure_round()
    assert [gap for gap, _, _ in ledger.transport.curve.points()] == list(GAPS[:-1])
    assert version.asked[:-1] == [0] * (ROUND - 2)
    assert version.asked[-1] > PAYLOAD
    assert ledger.transport.null_calls == len(version.asked) == ROUND - 1


async def test_a_call_beside_a_request_is_not_of_the_curve() -> None:
    """A request in hand uses the same loop and machine; only the first round takes what it gets."""
    ledger = Ledger()
    call, _ = measuring(ledger)
    request = ledger.open("RunPodSandbox")
    assert await call.measure_round()
    assert ledger.transport.curve.at(0.0) is not None
    before = ledger.transport.curve.points()
    assert not await call.measure_round()
    assert ledger.transport.curve.points() == before
    ledger.close(request)
    assert await call.measure_round()


async def test_a_stream_of_events_keeps_nothing_busy() -> None:
    """A kubelet has it open all day; the curve is measured beside it, and hops are not charged for its load."""
    ledger = Ledger()
    call, _ = measuring(ledger)
    stream = ledger.open("GetContainerEvents")
    ledger.note_listening()
    assert await call.measure_round()
    assert await call.measure_round()
    assert not await call.measure_beside()
    request = ledger.open("RunPodSandbox")
    assert (ledger.busy, ledger.idle) == (1, False)
    ledger.close(stream, "CANCELLED")
    assert (ledger.busy, ledger.idle) == (1, False)
    ledger.close(request)
    assert (ledger.busy, ledger.idle) == (0, True)


async def test_a_hop_in_the_gap_makes_the_gap_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was thought to be a second of quiet was none."""
    monkeypatch.setattr(null_call, "GAPS", (0.05,))
    ledger = Ledger()
    call, version = measuring(ledger)
    assert await call.measure_round()
    measured = asyncio.create_task(call.measure_round())
    await asyncio.sleep(0.03)
    await version.get(SimpleNamespace(SerializeToString=bytes))
    assert not await measured


async def test_a_containerd_that_is_away_is_no_measure() -> None:
    """Nothing is known then, and nothing raised."""
    ledger = Ledger()
    call, version = measuring(ledger)
    version.away = True
    assert not await call.measure_round()
    assert ledger.transport.curve.at(1.0) is None


async def test_none_is_made_while_the_daemon_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A containerd that is away is not asked again and again what nothing takes."""
    monkeypatch.setattr(null_call, "PAUSE", 0.01)
    ledger = Ledger()
    ready = False
    version = FakeVersion(ledger)
    client: Any = SimpleNamespace(version=version)
    async with running(NullCall(client, ledger, lambda: ready)):
        await asyncio.sleep(0.05)
        assert version.asked == []
        ready = True
        await until(lambda: version.asked)


async def test_the_load_is_what_the_second_of_two_calls_takes_beside_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a multiple of an idle one; without a request in hand nothing is measured."""
    now = 100.0
    seconds = iter((0.002,) * (ROUND - 1) + (0.030, 0.010))

    async def get(_message: Any) -> None:
        nonlocal now
        now += next(seconds)

    monkeypatch.setattr(null_call, "perf_counter", lambda: now)
    ledger = Ledger()
    client: Any = SimpleNamespace(version=SimpleNamespace(get=get))
    call = NullCall(client, ledger)
    assert await call.measure_round()
    assert not await call.measure_beside()
    request = ledger.open("RunPodSandbox")
    assert await call.measure_beside()
    assert ledger.transport.load.at(0, now).times == pytest.approx(5)
    ledger.close(request)


async def test_calls_beside_requests_are_paid_for_by_hops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once those of the start are used up, a hundred hops pay for two."""
    monkeypatch.setattr(null_call, "PAUSE", 0.0)
    monkeypatch.setattr(null_call, "EVERY", 1e9)
    monkeypatch.setattr(null_call, "_OFF_BEAT", 0.0)
    monkeypatch.setattr(null_call, "ROUNDS_AT_START", 1)
    ledger = Ledger()
    call, version = measuring(ledger, 0.0001)
    async with running(call):
        await until(lambda: len(version.asked) == ROUND - 1)
        request = ledger.open("RunPodSandbox")
        rounds = len(version.asked)
        hops = 0
        for hops in range(1, 1001):  # noqa: B007 - how many were made
            started = time.perf_counter()
            ledger.note_call("x.Y/Z", started)
            ledger.note_hop(Hop("x.Y/Z", started, 0.0, 0, 0, 1, "OK"))
            await asyncio.sleep(0)
            await asyncio.sleep(0.0005)
        ledger.close(request)
        await asyncio.sleep(0.01)
    beside = len(version.asked) - rounds
    assert null_call.CALLS_AT_START <= beside <= null_call.CALLS_AT_START + null_call.CALLS_PER_HOP * hops


async def test_rounds_on_a_busy_node_become_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that is cut short again and again is tried less and less often."""
    monkeypatch.setattr(null_call, "EVERY", 1e9)
    monkeypatch.setattr(null_call, "ROUNDS_AT_START", 9)
    monkeypatch.setattr(null_call, "GAPS", (0.01,))
    ledger = Ledger()
    call, version = measuring(ledger, 0.0001)
    async with running(call):
        await until(lambda: len(version.asked) >= 3)
        rounds = len(version.asked)
        ended = time.perf_counter() + 0.4
        while time.perf_counter() < ended:
            ledger.close(ledger.open("ListPodSandbox"))
            ledger.quiet_since = time.perf_counter()
            await asyncio.sleep(0.001)
    assert len(version.asked) - rounds < 2 * 8


async def test_rounds_of_a_node_without_hops_are_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are answered from memory, so that nothing is charged by the curve; a pod start makes the next round due."""
    monkeypatch.setattr(null_call, "EVERY", 1.0)
    monkeypatch.setattr(null_call, "RARELY", 10.0)
    monkeypatch.setattr(null_call, "GAPS", (0.01,))
    monkeypatch.setattr(null_call, "ROUNDS_AT_START", 1)
    ledger = Ledger()
    call, version = measuring(ledger)
    one_round = 3
    async with running(call):
        await until(lambda: len(version.asked) == one_round)
        for _ in range(80):
            ledger.close(ledger.open("ListPodSandbox"))
            await asyncio.sleep(0.1)
        assert len(version.asked) == one_round
        await asyncio.sleep(4)
        assert len(version.asked) == 2 * one_round
        request = ledger.open("RunPodSandbox")
        for _ in range(null_call.WORTH_A_ROUND):
            started = time.perf_counter()
            ledger.note_call("x.Y/Z", started)
            ledger.note_hop(Hop("x.Y/Z", started, 0.0, 0, 0, 1, "OK"))
        ledger.close(request)
        beside = len(version.asked)
        await asyncio.sleep(2)
        assert len(version.asked) == beside + one_round
