"""Time out a phase of a pull that makes no progress.

A kubelet sets no deadline for a pull, and a slow pull is not a stuck one, so the timer measures progress. A byte now
and then is not progress (containerd issue 11650): within each span of the limit, at least :data:`LEAST` bytes must
move.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from containerd_client.distribution.values.errors import StalledError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

LEAST = 16 << 10


class Progress:
    """The timer of one phase; ``limit`` is in seconds, 0 means no limit, and the error text begins with ``what``."""

    def __init__(self, what: str, limit: float) -> None:
        self.limit = limit
        self._what = what
        self._since = time.monotonic()
        self._moved = 0

    @property
    def idle(self) -> float:
        """Return the seconds since enough bytes had moved."""
        return time.monotonic() - self._since

    def moved(self, count: int) -> None:
        """Count bytes that have moved; raises :class:`StalledError` if they are too few for their time."""
        self._moved += count
        if self._moved >= LEAST:
            self._moved, self._since = 0, time.monotonic()
        else:
            self.check(f"only {self._moved} bytes arrived")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Exclude the time of the block, in which the work only waits for permission to continue."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._since += time.monotonic() - began

    def check(self, why: str) -> None:
        """Raise :class:`StalledError` if the limit has passed."""
        if self.limit and self.idle >= self.limit * 0.99:
            raise StalledError(f"{self._what}: no progress for {self.limit:g} s ({why})")

    @asynccontextmanager
    async def within(self, why: str) -> AsyncIterator[None]:
        """Limit the block, a single step, to the limit; raises :class:`StalledError`."""
        try:
            async with asyncio.timeout(self.limit or None):
                yield
        except TimeoutError as error:
            raise StalledError(f"{self._what}: no progress for {self.limit:g} s ({why})") from error
