"""One lock for each id, remembered only while somebody holds or wants it."""

from __future__ import annotations

import asyncio
from typing import Literal
from weakref import WeakValueDictionary

from cri_shim.timeline import awaited


class Locks:
    """``async with locks.of(container_id):`` — taken for changes only, never across a grace period or by a read."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, _Lock] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Lock:
        """The lock of ``key``; the same one for as long as anyone refers to it."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = _Lock()
        return lock


class _Lock(asyncio.Lock):
    """A lock that tells the request that had to wait for it."""

    async def acquire(self) -> Literal[True]:
        """Take it."""
        if not self.locked():
            return await super().acquire()
        with awaited("lock"):
            return await super().acquire()
