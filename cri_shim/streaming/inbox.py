"""Buffer bytes that have arrived for a reader that may not be reading yet."""

from __future__ import annotations

import asyncio
from collections import deque

_SMALL = 4096
_ENOUGH = 16384


class Inbox:
    """A queue of bytes for one reader, ended by an end mark or an error; its owner limits how much it holds.

    Small pieces are joined, because a peer that sends single bytes would otherwise cost fifty bytes for each.
    """

    __slots__ = ("_end", "_pieces", "_waiter", "size")

    def __init__(self) -> None:
        self.size = 0
        self._pieces: deque[bytes | bytearray] = deque()
        self._end: Exception | bool = False
        self._waiter: asyncio.Future[None] | None = None

    def put(self, data: bytes) -> None:
        """Append bytes, unless the queue has ended."""
        if self._end or not data:
            return
        self.size += len(data)
        last = self._pieces[-1] if self._pieces else None
        if type(last) is bytearray and len(last) < _ENOUGH and len(data) < _SMALL:
            last += data
        else:
            self._pieces.append(bytearray(data) if len(data) < _SMALL else data)
        self._wake()

    def end(self, error: Exception | None = None) -> None:
        """End the queue, with an error if there is one.

        The reader gets an error before bytes that it has not read yet.
        """
        if not self._end or error is not None:
            self._end = error or True
        self._wake()

    async def get(self) -> bytes:
        """Return the next bytes; none at the end.

        Raises the error that was passed to :meth:`end`.
        """
        while not self._pieces or isinstance(self._end, Exception):
            if isinstance(self._end, Exception):
                raise self._end
            if self._end:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        piece = self._pieces.popleft()
        self.size -= len(piece)
        return bytes(piece)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
