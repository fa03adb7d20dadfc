"""Wait for container events: the active half of :mod:`cri_shim.state.container_events`, which only collects them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from cri_shim.state.container_events import EVENTS_BUFFERED

if TYPE_CHECKING:
    from cri_shim.state.container_events import Event, Events


class EventReader:
    """An asynchronous iterator over ``events`` from now on; at most ``kept`` events may wait to be read."""

    def __init__(self, events: Events, limit: int = EVENTS_BUFFERED) -> None:
        self._changed = asyncio.Event()
        self._subscription = events.subscribe(self._changed.set, limit)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Return the next event.

        Raises ResourceExhaustedError for a reader that was too slow, and UnavailableError when the daemon ends.
        """
        while (event := self._subscription.take()) is None:
            self._changed.clear()
            await self._changed.wait()
        return event

    def close(self) -> None:
        """Stop reading, and unsubscribe."""
        self._subscription.close()
