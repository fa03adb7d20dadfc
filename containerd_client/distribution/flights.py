"""Many want the same thing, one gets it for all.

A flight is the work under way for one key. Who asks while it is in the air comes along. Somebody who is cancelled gets
off; when nobody is left aboard, the work is cancelled, and the last one waits until it has cleaned up behind itself.
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


class _Flight(Struct, Generic[T]):
    task: asyncio.Task[T]
    passengers: int = 0
    aborted: bool = False


class Flights(Generic[T]):
    """Work under way, by key."""

    def __init__(self) -> None:
        self._flights: dict[str, _Flight[T]] = {}

    def __len__(self) -> int:
        """How many are in the air."""
        return len(self._flights)

    async def run(
        self,
        key: str,
        work: Callable[[], Coroutine[Any, Any, T]],
        joined: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> tuple[T, bool]:
        """Return the result for ``key``, and whether this caller's own ``work`` made it.

        A failure reaches everybody aboard. ``work`` runs in the context (lease, deadline) of the caller who began it.
        Waiting for the work of another caller happens inside ``joined()``, however it ends.
        """
        while (flight := self._flights.get(key)) is not None and flight.aborted:
            with joined():
                await asyncio.wait({flight.task})
        led = flight is None
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(work(), name=f"flight {key}"))
            flight.task.add_done_callback(lambda _: self._flights.pop(key, None))
        flight.passengers += 1
        try:
            with nullcontext() if led else joined():
                return await asyncio.shield(flight.task), led
        finally:
            flight.passengers -= 1
            if not flight.passengers and not flight.task.done():
                flight.aborted = True
                flight.task.cancel()
                await asyncio.wait({flight.task})


async def all_or_none(*steps: Coroutine[Any, Any, object]) -> None:
    """Run all at once; when one fails, cancel the others, wait for them, and raise that first failure alone."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures.exceptions[0].__cause__
