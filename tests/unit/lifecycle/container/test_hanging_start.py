"""Waiting for a start before an end: it is waited for, and what hangs in it is ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle.container import hanging_start
from cri_shim.state.containers import Container, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.service import Service

CONTAINER = Container("c1", "c1", "p1", cri.ContainerConfig(), Status(), "sha256:1")


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pods whose hanging runtimes were ended."""
    pods: list[str] = []

    async def end(_config: object, _sandboxes: object, _containers: object, sandbox_id: str) -> None:
        await asyncio.sleep(0)
        pods.append(sandbox_id)

    monkeypatch.setattr(hanging_start, "end_hanging_runtimes", end)
    monkeypatch.setattr(hanging_start, "STOP_PATIENCE", 0.02)
    return pods


async def hold(service: Service, until: Callable[[], bool]) -> None:
    """Be the start, which holds the container's lock until something has happened."""
    async with service.locks.of(CONTAINER.id):
        while not until():
            await asyncio.sleep(0.001)


async def test_no_start(service: Service, ended: list[str]) -> None:
    """Nothing is waited for."""
    await hanging_start.until_started(service, CONTAINER)
    assert not ended


async def test_a_start_that_ends(service: Service, ended: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for, and nothing is killed."""
    monkeypatch.setattr(hanging_start, "STOP_PATIENCE", 10.0)
    steps: list[str] = []
    start = asyncio.create_task(hold(service, lambda: len(steps) == 1))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(hanging_start.until_started(service, CONTAINER))
    await asyncio.sleep(0.005)
    assert not waiting.done()
    steps.append("started")
    await asyncio.gather(start, waiting)
    assert not ended


async def test_a_start_that_hangs(service: Service, ended: list[str]) -> None:
    """What hangs is ended, which ends the start, and only then the wait is over."""
    start = asyncio.create_task(hold(service, lambda: bool(ended)))
    await asyncio.sleep(0)
    with capture_logs() as logs:
        await hanging_start.until_started(service, CONTAINER)
    assert ended == ["p1"]
    assert start.done() or not service.locks.of(CONTAINER.id).locked()
    assert "container.start_hangs" in [one["event"] for one in logs]
    await start
