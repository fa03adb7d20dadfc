"""Mutations that outlive the request that asked for them.

On a loaded node it is normal that the kubelet gives up on RunPodSandbox after its deadline and asks again. The first
attempt goes on. The second has the same key and waits for the first one's result, instead of failing because the name
is reserved (docs/adr/0003; containerd issues 4604 and 9545).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

import structlog

from cri_shim.errors import UnavailableError
from cri_shim.metered import metered
from cri_shim.timeline import awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Operations:
    """The mutations under way, by a key that says what is done to what (``run/NAME``, ``remove/ID``)."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._cut_at_shutdown: set[str] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._running)

    async def run(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run ``work`` to its end, whatever happens to the caller; a second caller with the same key joins the first.

        Raises what ``work`` raises, and UnavailableError once the daemon is shutting down.
        """
        task = self._running.get(key)
        if task is None:
            if self._draining:
                raise UnavailableError(f"cri-shim is shutting down; {key} was not begun, ask again when it is back")
            task = asyncio.create_task(metered(work()), name=key)
            self._running[key] = task
            task.add_done_callback(self._finished)
        else:
            with awaited("joined"):
                return cast("T", await asyncio.shield(task))
        # The shield keeps a cancellation of the caller from reaching the task.
        return cast("T", await asyncio.shield(task))

    def begin(
        self, key: str, work: Callable[[], Coroutine[Any, Any, None]], *, cut_at_shutdown: bool = False
    ) -> asyncio.Task[None]:
        """Start ``work`` without waiting for it, at shutdown too.

        This is for the remaining work of a request that is answered already. An exception is only logged, unless the
        caller looks at the task. ``cut_at_shutdown`` is for work that the next daemon takes up: a shutdown cancels it
        instead of waiting for it.
        """
        if cut_at_shutdown:
            self._cut_at_shutdown.add(key)
        task = asyncio.create_task(metered(work()), name=key)
        self._running[key] = task
        task.add_done_callback(self._finished)
        return task

    async def wait_idle(self, key: str, *, seconds: float | None = None) -> bool:
        """Wait until no operation with this key runs, however it ended.

        Return False if one still does after ``seconds``.
        """
        task = self._running.get(key)
        if task is None:
            return True
        with awaited("joined"):
            await asyncio.wait([task], timeout=seconds)
        return task.done()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        del self._running[task.get_name()]
        self._cut_at_shutdown.discard(task.get_name())
        if not task.cancelled() and (error := task.exception()) is not None:
            # Retrieved here so that asyncio does not log it as "never retrieved"; a waiter gets it too.
            log.debug("operation.failed", operation=task.get_name(), error=str(error))

    async def drain(self, grace: float, undo: float) -> None:
        """Start nothing new, give running work ``grace`` seconds, then cancel it and give its undo ``undo`` seconds.

        Work that is not undone by then (because it waits for a helper program, say) is left; its record stays in
        containerd, and the next daemon finds it not ready.
        """
        self._draining = True
        loop = asyncio.get_running_loop()
        until = loop.time() + grace
        while self._running and (left := until - loop.time()) > 0:  # work that ends may start its own clean-up
            for key in self._cut_at_shutdown:
                self._running[key].cancel()
            await asyncio.wait(self._running.values(), timeout=left)
        late = list(self._running.values())
        for task in late:
            log.warning("operation.cancelled", operation=task.get_name(), grace_seconds=grace)
            task.cancel()
        if late:
            _, not_undone = await asyncio.wait(late, timeout=undo)
            for task in not_undone:
                log.warning("operation.left", operation=task.get_name(), undo_seconds=undo)
