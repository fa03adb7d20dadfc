"""The daemon calls itself: a real gRPC server, and the real program that calls it."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc

from cri_shim.ledger.front import front_probe
from cri_shim.ledger.front.front_probe import FrontProbe
from cri_shim.ledger.front.front_probe_client import METHOD, SERVICE
from cri_shim.ledger.front.probe_ledger import ProbeLedger
from cri_shim.ledger.front_estimate import Gaps
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.transport.gap_curve import GAPS
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    import pytest


@asynccontextmanager
async def serving(path: Path, ledger: Ledger) -> AsyncIterator[ProbeLedger]:
    """A server that notes the calls of the probe."""
    probe = ProbeLedger(ledger)

    async def echo(_data: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        probe.close(probe.open(METHOD))
        return b""

    server = grpc.aio.server()
    handler = grpc.method_handlers_generic_handler(SERVICE, {METHOD: grpc.unary_unary_rpc_method_handler(echo)})
    server.add_generic_rpc_handlers([handler])
    server.add_insecure_port(f"unix://{path}")
    await server.start()
    try:
        yield probe
    finally:
        await server.stop(0)


async def test_a_round_of_calls(tmp_path: Path) -> None:
    """Each gap has its calls; both ways of each took some time, and no request was counted."""
    ledger = Ledger()
    async with serving(tmp_path / "s.sock", ledger) as probe:
        counted = await FrontProbe(str(tmp_path / "s.sock"), probe).round([0.0, 0.01])
    assert counted == front_probe.PASSES * (front_probe.CALLS[0] + front_probe.CALLS[2])
    for curve in (ledger.front.way_in, ledger.front.way_out):
        assert {0.0, 0.01} <= {gap for gap, _, _ in curve.points()}
        assert all(estimate.seconds > 0 for _, estimate, _ in curve.points())
    assert (ledger.count, ledger.newest()) == (0, [])


async def test_a_call_beside_a_request_counts_only_as_long_as_nothing_is_known(tmp_path: Path) -> None:
    """It is charged for what the request keeps busy; on a node that is never idle there is nothing else."""
    ledger = Ledger()
    path = tmp_path / "s.sock"
    async with serving(path, ledger) as probe:
        request = ledger.open("RunPodSandbox")
        assert await FrontProbe(str(path), probe).round([0.0]) > 0
        assert await FrontProbe(str(path), probe).round([0.0]) == 0
        ledger.close(request)
        assert await FrontProbe(str(path), probe).round([0.0]) > 0


async def test_a_call_beside_a_stream_of_events_counts(tmp_path: Path) -> None:
    """A kubelet has it open all day."""
    ledger = Ledger()
    path = tmp_path / "s.sock"
    async with serving(path, ledger) as probe:
        ledger.open("GetContainerEvents")
        ledger.note_listening()
        assert await FrontProbe(str(path), probe).round([0.0]) > 0
        assert await FrontProbe(str(path), probe).round([0.0]) > 0


async def test_rounds_go_on_at_the_gaps_of_requests_and_stop_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the two rounds of the start."""
    ledger = Ledger()
    rounds: list[list[float]] = []
    monkeypatch.setattr(front_probe, "EVERY", 0.05)
    probe = FrontProbe(str(tmp_path / "s.sock"), ProbeLedger(ledger))

    async def one(gaps: Sequence[float]) -> int:
        rounds.append(list(gaps))
        for gap in gaps:
            for _ in range(front_probe.ENOUGH):
                ledger.front.note(Gaps(gap, gap), 0.001, 0.001)
        return len(gaps)

    monkeypatch.setattr(probe, "round", one)
    running = asyncio.create_task(probe.run())
    await until(lambda: sum(map(len, rounds)) >= len(GAPS))
    await asyncio.sleep(0.2)
    assert [gap for gaps in rounds for gap in gaps] == list(GAPS)
    rounds.clear()
    ledger.front.probed(time.perf_counter() - 0.1, 0.0)
    ledger.close(ledger.open("ListPodSandbox"))
    await until(lambda: rounds)
    await asyncio.sleep(0.2)
    running.cancel()
    assert rounds == [[0.0, 0.1]]


async def test_a_daemon_that_cannot_be_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a socket, or without a program, nothing is known and nothing fails."""
    ledger = Ledger()
    probe = FrontProbe(str(tmp_path / "nothing.sock"), ProbeLedger(ledger))
    assert await probe.round([0.0]) == 0
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert await probe.round([0.0]) == 0
    assert ledger.front.way_in.points() == []
