"""The items of a list as the messages of a stream, made while they are sent.

A list may grow until its message is larger than gRPC lets through; a stream may not. Each item is sent once, every
message has at least one, and an empty list is an empty stream. What a client that does not read makes the daemon hold
is one message: the next items are made when the one before has gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")
T = TypeVar("T")

BATCH_ITEMS = 50
BATCH_BYTES = 32 << 10
"""A batch ends with the item that reaches this; one item is below the limit of 16 MiB, or no list could hold it."""


async def batches(response: type[M], field: str, items: Iterable[Any]) -> AsyncGenerator[M]:
    """Messages of type ``response`` with ``items``, in their order, under ``field``."""
    batch: list[Any] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item.ByteSize()
        if len(batch) == BATCH_ITEMS or size >= BATCH_BYTES:
            yield _taken(response, field, batch)
            size = 0
    if batch:
        yield _taken(response, field, batch)


def _taken(response: type[M], field: str, batch: list[Any]) -> M:
    """A message with the items of ``batch``, which is emptied: while one is sent, nothing is kept of it here."""
    message = response(**{field: batch})
    batch.clear()
    return message


async def measured(
    response: type[M],
    field: str,
    items: Sequence[T],
    at_once: int,
    measure: Callable[[Sequence[T], Any], Awaitable[None]],
) -> AsyncGenerator[M]:
    """Messages of type ``response``; before each is sent ``measure`` adds ``at_once`` of ``items`` to its field."""
    for start in range(0, len(items), at_once):
        made = [response()]
        await measure(items[start : start + at_once], getattr(made[0], field))
        if getattr(made[0], field):
            yield made.pop()
