"""Distinguish the two kinds of CancelledError in a handler.

When the client hangs up, grpc.aio cancels the handler's task, which must end as cancelled. When work *inside* was
cancelled (an operation at shutdown), a CancelledError arrives although this task was not cancelled. grpc.aio would then
send no status at all, and the client would wait for its deadline.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from cri_shim.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")


async def answered(work: Awaitable[T]) -> T:
    """Await ``work``; turn a cancellation that is not this task's own into an UnavailableError."""
    try:
        return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise UnavailableError("cri-shim is shutting down and has undone this request; ask again later") from error
