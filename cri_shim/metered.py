"""Measure the CPU time that coroutines spend on a request, step by step.

A coroutine runs in steps, from one suspension to the next, and other requests run in between. Reading the thread's CPU
clock at both ends of each step tells the CPU time of a request apart from its waiting for the event loop. This costs a
microsecond for each step, and a pod start has a few hundred steps. A task that works for a request must be made of a
:func:`metered` coroutine.
"""

from __future__ import annotations

import time
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any, Self, TypeVar

from cri_shim.timeline import current_request

if TYPE_CHECKING:
    from cri_shim.timeline import Timeline

T = TypeVar("T")


class Metered(Coroutine[Any, Any, T]):
    """A coroutine whose steps count for ``timeline`` until its request has ended.

    Do not nest one in another: both would set the timeline's mark of the running step.
    """

    __slots__ = ("_coroutine", "_timeline")

    def __init__(self, coroutine: Coroutine[Any, Any, T], timeline: Timeline) -> None:
        self._coroutine = coroutine
        self._timeline = timeline

    def send(self, value: Any, /) -> Any:
        """Run one step."""
        timeline = self._timeline
        if timeline.ended:
            return self._coroutine.send(value)
        timeline.mark = time.thread_time()
        try:
            return self._coroutine.send(value)
        finally:
            self._count()

    def throw(self, *error: Any) -> Any:
        """Run one step that begins with an exception, because what the coroutine waits for failed or was cancelled."""
        timeline = self._timeline
        if timeline.ended:
            return self._coroutine.throw(*error)
        timeline.mark = time.thread_time()
        try:
            return self._coroutine.throw(*error)
        finally:
            self._count()

    def _count(self) -> None:
        timeline = self._timeline
        if not timeline.ended:
            timeline.count_cpu()
        timeline.mark = -1.0

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    @property
    def __name__(self) -> str:
        """The coroutine's qualified name, which asyncio uses to describe the task."""
        name: str = getattr(self._coroutine, "__qualname__", "")
        return name

    def __repr__(self) -> str:
        return repr(self._coroutine)


def metered(coroutine: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """Wrap a coroutine that becomes a task so that its steps count for the current request, if there is one."""
    timeline = current_request.get()
    return coroutine if timeline is None or timeline.ended else Metered(coroutine, timeline)
