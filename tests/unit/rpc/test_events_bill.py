"""A subscription to events waits for the world, however long it stands."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from cri_shim.ledger.ledger import Ledger
from cri_shim.rpc.container_events import EventStream
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]


async def test_a_subscription_is_no_own_work() -> None:
    """It would be days of it, and the price of the hop."""
    ledger = Ledger()
    request = ledger.open("GetContainerEvents")
    subscription: Any = SimpleNamespace(close=lambda: None)
    service: Any = None
    stream = EventStream(service, subscription)
    await asyncio.sleep(0.05)
    await stream.aclose()
    ledger.close(request, "CANCELLED")
    assert request.bill.world == pytest.approx(0.05)
    assert request.bill.work == pytest.approx(0.0, abs=1e-6)
