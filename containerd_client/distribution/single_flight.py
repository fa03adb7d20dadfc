"""Do work once that several callers want at the same time.

A flight is the running work for one key. A caller that asks for the key while the work runs waits for its result. If
one caller is cancelled, the others are not affected; when all of them are cancelled, the work is cancelled too, and the
last caller waits until the work has cleaned up.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractContextManager

T = TypeVar("T")


class _Call(Struct, Generic[T]):
    task: asyncio.Task[T]
    waiters: int = 0
    aborted: bool = False


class SingleFlight(Generic[T]):
    """Running work by key."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call[T]] = {}

    def __len__(self) -> int:
        """Return the number of keys with running work."""
        return len(self._calls)

    async def run(
        self,
        key: str,
        work: Callable[[], Coroutine[Any, Any, T]],
        joined: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> tuple[T, bool]:
        """Return the result for ``key``, and whether this caller's own ``work`` produced it.

        A failure is raised in all waiting callers. ``work`` runs in the context (lease, deadline) of the caller that
        started it. The wait for another caller's work happens inside ``joined()``, however it ends.
        """
        while (call := self._calls.get(key)) is not None and call.aborted:
            with joined():
                await asyncio.wait({call.task})
        led = call is None
        if call is None:
            call = self._calls[key] = _Call(asyncio.create_task(work(), name=f"flight {key}"))
            call.task.add_done_callback(lambda _: self._calls.pop(key, None))
        call.waiters += 1
        try:
            with nullcontext() if led else joined():
                return await asyncio.shield(call.task), led
        finally:
            call.waiters -= 1
            if not call.waiters and not call.task.done():
                call.aborted = True
                call.task.cancel()
                await asyncio.wait({call.task})


async def all_or_none(*steps: Coroutine[Any, Any, object]) -> None:
    """Run all steps at once; when one fails, cancel the others, wait for them, and raise only that first failure."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures.exceptions[0].__cause__
