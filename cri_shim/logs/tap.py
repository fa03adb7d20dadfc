"""A bounded queue of raw output between the pump's thread and one attached client on the event loop.

The pump never waits for a client. A client that falls more than ``limit`` bytes behind is cut off, as containerd does
with slow attach clients; the log file has everything anyway.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cri_shim.logs.format import Stream

DEFAULT_LIMIT: Final = 1024 * 1024


class Tap:
    """An asynchronous iterable of (stream, bytes); the instance is the callback for ``LogHandle.add_tap``.

    It is made on the loop and read by ``async for stream, data in tap``. The iteration ends after :meth:`close`, after
    the container's last byte, or when the reader was too slow (``overflowed``); what was queued before is delivered
    first, except after :meth:`close`.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.overflowed = False
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._queue: deque[tuple[Stream, bytes]] = deque()
        self._size = 0
        self._ended = False
        self._wake = asyncio.Event()

    def __call__(self, stream: Stream, data: bytes) -> bool:
        """Queue ``data``, from any thread; False means not to call again.

        Empty data marks the end of the output.
        """
        with self._lock:
            if self._ended:
                return False
            if not data:
                self._ended = True
            elif self._size + len(data) > self._limit:
                self._ended = self.overflowed = True
            else:
                self._queue.append((stream, data))
                self._size += len(data)
            going_on = not self._ended
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:  # the loop is closed, so the reader is gone
            return False
        return going_on

    def close(self) -> None:
        """Stop listening and drop what is queued; called on the loop."""
        with self._lock:
            self._ended = True
            self._queue.clear()
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[tuple[Stream, bytes]]:
        """Yield (stream, raw bytes) in the order in which they were read."""
        while True:
            with self._lock:
                item = self._queue.popleft() if self._queue else None
                if item is not None:
                    self._size -= len(item[1])
                elif self._ended:
                    return
                else:
                    self._wake.clear()
            if item is None:
                await self._wake.wait()
            else:
                yield item
