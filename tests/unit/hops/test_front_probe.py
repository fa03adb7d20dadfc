"""The daemon calls itself: a real gRPC server, and the real program that calls it."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc

from cri_shim.hops.front_probe import FrontProbe
from cri_shim.hops.front_probe_client import METHOD, SERVICE
from cri_shim.hops.ledger import Ledger
from cri_shim.hops.probe_ledger import ProbeLedger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
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
    assert counted >= 20  # the first call has none before it
    for curve in (ledger.front.way_in, ledger.front.way_out):
        assert [gap for gap, _, _ in curve.points()] == [0.0, 0.01]
        assert all(estimate.seconds > 0 for _, estimate, _ in curve.points())
    assert (ledger.count, ledger.newest()) == (0, [])


async def test_a_call_beside_a_request_does_not_count(tmp_path: Path) -> None:
    """It would be charged for what the request keeps busy."""
    ledger = Ledger()
    async with serving(tmp_path / "s.sock", ledger) as probe:
        request = ledger.open("RunPodSandbox")
        assert await FrontProbe(str(tmp_path / "s.sock"), probe).round([0.0]) == 0
        ledger.close(request)
    assert ledger.front.way_in.points() == []


async def test_a_daemon_that_cannot_be_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a socket, or without a program, nothing is known and nothing fails."""
    ledger = Ledger()
    probe = FrontProbe(str(tmp_path / "nothing.sock"), ProbeLedger(ledger))
    assert await probe.round([0.0]) == 0
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert await probe.round([0.0]) == 0
    assert ledger.front.way_in.points() == []
