"""One semaphore for each id, remembered only while a task is inside or waits."""

from __future__ import annotations

import asyncio
from typing import Literal
from weakref import WeakValueDictionary

from cri_shim.timeline import awaited


class KeyedSemaphores:
    """Semaphores by key, as in ``async with semaphores.of(sandbox_id):``.

    Each admits ``width`` tasks at the same time, and the others wait in line.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._semaphores: WeakValueDictionary[str, _WaitNotingSemaphore] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Semaphore:
        """Return the semaphore of ``key``; it is the same one for as long as any reference to it exists."""
        semaphore = self._semaphores.get(key)
        if semaphore is None:
            semaphore = self._semaphores[key] = _WaitNotingSemaphore(self._width)
        return semaphore


class _WaitNotingSemaphore(asyncio.Semaphore):
    """A semaphore that notes the wait in the record of the request that had to wait."""

    async def acquire(self) -> Literal[True]:
        """Take a slot."""
        if not self.locked():
            return await super().acquire()
        with awaited("gate"):
            return await super().acquire()
