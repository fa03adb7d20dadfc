"""Measure a snapshot for the first time, when a request needs a measurement and there is none yet.

All requests that need it share one measurement and wait for it, but not for long, because a slow or hanging
snapshotter must not delay a list. The measurement then continues in the background, and later requests do not wait
for it again.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from containerd_client import call_options, detached_options
from containerd_client.errors import ContainerdError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Place = tuple[str, str]
    """A snapshotter, and the key of one of its snapshots; an empty key stands for the snapshotter's directory."""

WAITED_SECONDS = 1.0
"""How long a request waits."""
LIMIT_SECONDS = 60.0
"""The time limit of one measurement."""
AGAIN_SECONDS = 10.0
"""How long after a failure no new attempt is made."""
AT_ONCE = 16

log = structlog.get_logger(__name__)


class _Attempt(Struct):
    """One measurement: its task while it runs, until when requests wait for it, and when the next one may be made."""

    task: asyncio.Task[None] | None
    waited_until: float
    again_at: float = 0.0


class FirstSamples:
    """Runs ``measure``, which takes one measurement and keeps it; after a ContainerdError it is retried later."""

    def __init__(
        self, measure: Callable[[Place], Awaitable[None]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._measure = measure
        self._clock = clock
        self._attempts: dict[Place, _Attempt] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def take(self, places: Iterable[Place]) -> None:
        """Measure all ``places``; return when that is done or has taken too long. Never raises."""
        now = self._clock()
        waiting: list[asyncio.Task[None]] = []
        until = now
        for place in places:
            attempt = self._attempts.get(place)
            if attempt is None or (attempt.task is None and attempt.again_at <= now):
                attempt = self._attempts[place] = self._begin(place, now)
            if attempt.task is not None and attempt.waited_until > now:
                waiting.append(attempt.task)
                until = max(until, attempt.waited_until)
        if waiting:
            await asyncio.wait(waiting, timeout=until - now)

    def forget(self) -> None:
        """Forget failures that are old enough for another attempt."""
        now = self._clock()
        for place in [p for p, attempt in self._attempts.items() if attempt.task is None and attempt.again_at <= now]:
            del self._attempts[place]

    def _begin(self, place: Place, now: float) -> _Attempt:
        return _Attempt(asyncio.create_task(self._run(place)), now + WAITED_SECONDS)

    async def _run(self, place: Place) -> None:
        failed: _Attempt | None = _Attempt(None, 0.0)
        try:
            # The measurement outlives the request, so it must not run under the request's deadline.
            with detached_options():
                async with self._slots, asyncio.timeout(LIMIT_SECONDS):
                    with call_options(timeout=LIMIT_SECONDS):
                        await self._measure(place)
        except (ContainerdError, TimeoutError) as error:
            log.debug("snapshot_usage.one_failed", snapshotter=place[0], snapshot=place[1], error=str(error))
        else:
            failed = None
        finally:
            self._attempts.pop(place, None)
            if failed is not None:
                failed.again_at = self._clock() + AGAIN_SECONDS
                self._attempts[place] = failed
