"""Is it getting on? The timer of one phase of a pull.

A kubelet sets no deadline for a pull, and a slow one is no stuck one, so what is measured is progress. One byte now and
then is none (containerd issue 11650): within each span of the limit at least :data:`LEAST` bytes must move.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from containerd_client.distribution.errors import StalledError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

LEAST = 16 << 10


class Progress:
    """``limit`` in seconds, 0 means that there is none; ``what`` begins the message of the error."""

    def __init__(self, what: str, limit: float) -> None:
        self.limit = limit
        self._what = what
        self._since = time.monotonic()
        self._moved = 0

    @property
    def idle(self) -> float:
        """Seconds since enough had moved."""
        return time.monotonic() - self._since

    def moved(self, count: int) -> None:
        """Note bytes that have moved. Raises :class:`StalledError` when they are too few for their time."""
        self._moved += count
        if self._moved >= LEAST:
            self._moved, self._since = 0, time.monotonic()
        else:
            self.check(f"only {self._moved} bytes came")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the time of the block: somebody is waiting for his turn."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._since += time.monotonic() - began

    def check(self, why: str) -> None:
        """Raise :class:`StalledError` when the limit is over."""
        if self.limit and self.idle >= self.limit * 0.99:
            raise StalledError(f"{self._what}: no progress for {self.limit:g} s ({why})")

    @asynccontextmanager
    async def within(self, why: str) -> AsyncIterator[None]:
        """Let a single step take no longer than the limit. Raises :class:`StalledError`."""
        try:
            async with asyncio.timeout(self.limit or None):
                yield
        except TimeoutError as error:
            raise StalledError(f"{self._what}: no progress for {self.limit:g} s ({why})") from error
