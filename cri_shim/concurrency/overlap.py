"""Run two steps of one request at the same time when neither needs the other's result (docs/adr/0004)."""

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
    ``abortable`` is cancelled when ``steady`` fails, because it only waits for something. A step that runs a helper
    program is not abortable: it runs to its end and is undone then (:func:`both`).
    """
    beside = asyncio.create_task(metered(abortable))
    try:
        result = await steady
    except BaseException:
        beside.cancel()
        await asyncio.wait([beside])
        if not beside.cancelled():
            beside.exception()  # retrieve it; the failure of ``steady`` is the one to raise
        raise
    return result, await beside


async def both(one: Coroutine[Any, Any, A], other: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Run both at once to their ends, since neither may be cut; return both results, or raise the first that failed."""
    results = await asyncio.gather(metered(one), metered(other), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return cast("tuple[A, B]", tuple(results))


async def every(*steps: Coroutine[Any, Any, Any]) -> None:
    """Run all steps at once, all to their ends; then raise the first failure in the order of the arguments."""
    for outcome in await asyncio.gather(*map(metered, steps), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
