"""What the bill says of a request that comes along while another one does the work."""

from __future__ import annotations

import asyncio

import pytest

from cri_shim.concurrency.operations import Operations
from cri_shim.ledger.ledger import Ledger
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]


async def test_joining_a_running_operation_is_a_wait() -> None:
    """The request that began the work did not wait for it; one that came along did."""
    ledger, operations = Ledger(), Operations()

    async def work() -> None:
        await asyncio.sleep(0.05)

    async def ask():
        request = ledger.open("RunPodSandbox")
        await operations.run("run/name", work)
        ledger.close(request)
        return request

    first, second = await asyncio.gather(*(asyncio.create_task(ask()) for _ in range(2)))
    assert first.waits is None
    (wait,) = list(second.waits or ())
    assert wait.name == "joined"
    assert second.bill.world == pytest.approx(wait.duration) == 0.05
    assert (second.bill.price, first.bill.price) == pytest.approx((0, 0.05))
