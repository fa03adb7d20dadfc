"""A list in batches: each item once, in order, no empty message, no message beyond the bounds."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.batches import BATCH_BYTES, BATCH_ITEMS, batches, measured_batches


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


async def test_items_are_made_when_they_are_sent():
    """A client that does not read keeps one message waiting, however long the list is."""
    made = []

    def items():
        for number in range(1000):
            made.append(number)
            yield cri.Container(id=str(number), annotations={"a": "x" * (BATCH_BYTES // 4)})

    sending = batches(cri.StreamContainersResponse, "containers", items())
    await anext(sending)
    assert len(made) == 4
    await anext(sending)
    assert len(made) == 8
    await sending.aclose()


async def test_items_are_measured_when_they_are_sent():
    """Each once, in their order; a piece of which nothing can be said makes no message."""
    asked = []

    async def measure(items, messages):
        asked.append(list(items))
        for item in items:
            if item < 4 or item > 5:
                messages.add(id=str(item))

    sending = measured_batches(cri.StreamContainersResponse, "containers", list(range(9)), 2, measure)
    first = await anext(sending)
    assert [one.id for one in first.containers] == ["0", "1"]
    assert asked == [[0, 1]]
    rest = [[one.id for one in message.containers] async for message in sending]
    assert rest == [["2", "3"], ["6", "7"], ["8"]]
