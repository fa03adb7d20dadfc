"""The items of a list as the messages of a stream.

A list may grow until its message is larger than gRPC lets through; a stream may not. Each item is sent once, every
message has at least one, and an empty list is an empty stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")

BATCH_ITEMS = 50
BATCH_BYTES = 1 << 20
"""A batch ends with the item that reaches this; one item is below the limit of 16 MiB, or no list could hold it."""


async def batches(response: type[M], field: str, items: Sequence[Any]) -> AsyncGenerator[M]:
    """Messages of type ``response`` with ``items``, in their order, under ``field``."""
    batch: list[Any] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item.ByteSize()
        if len(batch) == BATCH_ITEMS or size >= BATCH_BYTES:
            yield response(**{field: batch})
            batch, size = [], 0
    if batch:
        yield response(**{field: batch})
