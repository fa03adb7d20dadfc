"""Send the items of a list as the messages of a stream, and make each message only when it is sent.

A list may grow until its message is larger than gRPC allows; a stream does not have that limit. Each item is sent once,
every message has at least one item, and an empty list is an empty stream. For a client that does not read, the daemon
holds one message, because it makes the next one only after the one before has gone.
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
"""A batch ends with the item that reaches this size. One item stays below the limit of 16 MiB, or no list could hold
it."""


async def batches(response: type[M], field: str, items: Iterable[Any]) -> AsyncGenerator[M]:
    """Yield messages of type ``response`` with ``items``, in order, in the field ``field``."""
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
    """Return a message with the items of ``batch``.

    The batch is emptied, so that it holds nothing while the message is sent.
    """
    message = response(**{field: batch})
    batch.clear()
    return message


async def measured_batches(
    response: type[M],
    field: str,
    items: Sequence[T],
    at_once: int,
    measure: Callable[[Sequence[T], Any], Awaitable[None]],
) -> AsyncGenerator[M]:
    """Yield messages of type ``response``, each with up to ``at_once`` of ``items``.

    ``measure`` adds the items to the message's field ``field`` right before the message is sent.
    """
    for start in range(0, len(items), at_once):
        made = [response()]
        await measure(items[start : start + at_once], getattr(made[0], field))
        if getattr(made[0], field):
            yield made.pop()
