"""A few at a time for each id, remembered only while somebody is inside or waits."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class Gates:
    """``async with gates.of(sandbox_id):`` lets ``width`` in at the same time; others wait in line."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._gates: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, key: str) -> asyncio.Semaphore:
        """The gate of ``key``; the same one for as long as anyone refers to it."""
        gate = self._gates.get(key)
        if gate is None:
            gate = self._gates[key] = asyncio.Semaphore(self._width)
        return gate
