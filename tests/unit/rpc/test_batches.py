"""A list in batches: each item once, in order, no empty message, no message beyond the bounds."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.batches import BATCH_BYTES, BATCH_ITEMS, batches


async def sent(items):
    return [batch async for batch in batches(cri.StreamContainersResponse, "containers", items)]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, []), (1, [1]), (BATCH_ITEMS, [BATCH_ITEMS]), (2 * BATCH_ITEMS + 5, [BATCH_ITEMS, BATCH_ITEMS, 5])],
)
async def test_by_number(count, sizes):
    """Small items fill batches by number; nothing gives no message at all."""
    items = [cri.Container(id=str(number)) for number in range(count)]
    got = await sent(items)
    assert [len(batch.containers) for batch in got] == sizes
    assert [item for batch in got for item in batch.containers] == items


async def test_by_bytes():
    """Large items end a batch early, and one that is larger than a batch goes alone."""
    large = {"a": "x" * (BATCH_BYTES // 3)}
    items = [cri.Container(id=str(number), annotations=large) for number in range(7)]
    items.insert(0, cri.Container(id="huge", annotations={"a": "x" * (2 * BATCH_BYTES)}))
    got = await sent(items)
    assert [item.id for batch in got for item in batch.containers] == [item.id for item in items]
    assert [len(batch.containers) for batch in got] == [1, 3, 3, 1]
