"""One lock for each id, remembered only while a task holds or awaits it."""

from __future__ import annotations

import asyncio
from typing import Literal
from weakref import WeakValueDictionary

from cri_shim.timeline import awaited


class KeyedLocks:
    """Locks by key, as in ``async with locks.of(container_id):``.

    A lock is taken for changes only, never across a grace period and never by a read.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, _Lock] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Lock:
        """Return the lock of ``key``; it is the same one for as long as any reference to it exists."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = _Lock()
        return lock


class _Lock(asyncio.Lock):
    """A lock that notes the wait in the record of the request that had to wait."""

    async def acquire(self) -> Literal[True]:
        """Take the lock."""
        if not self.locked():
            return await super().acquire()
        with awaited("lock"):
            return await super().acquire()
