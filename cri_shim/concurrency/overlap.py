"""Two steps of one request that do not need each other's result, done at the same time (docs/adr/0004)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cri_shim.metered import metered

if TYPE_CHECKING:
    from collections.abc import Coroutine

A = TypeVar("A")
B = TypeVar("B")


async def overlap(steady: Coroutine[Any, Any, A], abortable: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Run both; return both results, or raise the first failure once neither is running any more.

    ``steady`` is always awaited to its end, because cutting it would leave something half made (a task in containerd).
    ``abortable`` is cancelled when ``steady`` fails, because it only waits for something. What runs a helper program is
    not abortable: it is left to end, and undone then (:func:`both`).
    """
    beside = asyncio.create_task(metered(abortable))
    try:
        result = await steady
    except BaseException:
        beside.cancel()
        await asyncio.wait([beside])
        if not beside.cancelled():
            beside.exception()  # retrieved: the failure of ``steady`` is the one that is told
        raise
    return result, await beside


async def both(one: Coroutine[Any, Any, A], other: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Run both at once to their ends, as neither may be cut; return both results, or raise the first that failed."""
    results = await asyncio.gather(metered(one), metered(other), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast("tuple[A, B]", tuple(results))


async def every(*steps: Coroutine[Any, Any, Any]) -> None:
    """Run all steps at once, all to their ends; then raise the first failure in the order they were given."""
    for outcome in await asyncio.gather(*map(metered, steps), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
