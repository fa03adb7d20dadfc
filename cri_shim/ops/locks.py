"""One lock for each id, remembered only while somebody holds or wants it."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class Locks:
    """``async with locks.of(container_id):`` — taken for changes only, never across a grace period or by a read."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Lock:
        """The lock of ``key``; the same one for as long as anyone refers to it."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock
