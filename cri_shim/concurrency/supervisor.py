"""Run long-lived background work whose failure must be seen, but must not end the daemon."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from cri_shim.os_errors import cri_error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0

log = structlog.get_logger(__name__)


class Supervisor:
    """Named tasks with strong references; failures are logged, and work that must never end is restarted."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def once(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` in the background; a failure is logged."""
        self._begin(name, work)

    async def wait_a_while(self, name: str, work: Coroutine[Any, Any, None], seconds: float) -> None:
        """Run ``work`` in the background and wait at most ``seconds`` for its end; a failure is logged."""
        task = self._begin(name, work)
        done, _ = await asyncio.wait([task], timeout=seconds)
        if not done:
            log.warning("background.goes_on", work=name, waited_seconds=seconds)

    def forever(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run ``work()`` again whenever it fails or ends, after 1 s doubling to 60 s; cancel the task to end it."""
        return self._add(name, self._restarted(name, work))

    def _begin(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._add(name, self._logged(name, work))
        # A task that is cancelled before its first step never gets to its work, which would be reported as forgotten.
        task.add_done_callback(lambda _: work.close())
        return task

    def _add(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _logged(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except OSError as error:
            log.error("background.failed", work=name, error=str(cri_error_of(error)))
            log.debug("background.traceback", work=name, exc_info=error)
        except Exception as error:
            log.exception("background.failed", work=name, error=str(error))

    async def _restarted(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            begun = loop.time()
            await self._logged(name, work())
            if loop.time() - begun > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def stop(self) -> None:
        """Cancel everything and wait until it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
