"""Read and write FIFOs on the event loop, in large pieces, and wait only when there is nothing to do.

asyncio's own pipe transports read at most 256 KiB in one iteration of the loop, and have no back-pressure between two
of them. The classes here transfer bytes only when their caller asks for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
from typing import Final

READ: Final = 128 * 1024
"""The most bytes of one read."""

PIPE_SIZE: Final = 1 << 20
"""Bytes that a FIFO may hold: the kernel's default limit."""


READER = 10.0
"""Seconds that a FIFO may lack a reader before it counts as closed."""

_POLL = 0.005


class FifoReader:
    """Reads a FIFO opened without blocking; owns the descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._begun = False
        self.idle_since: float | None = None
        """The loop's time since which a reader has found nothing to read; None while there is output."""
        with contextlib.suppress(OSError):  # the pages that the user may have in pipes are used up
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)

    async def read(self) -> bytes:
        """Return the next bytes; none at the end, which comes when all writers have closed."""
        while self._fd >= 0:
            # Before the first writer opens the FIFO, a read returns nothing, which is not the end.
            if self._begun:
                try:
                    return os.read(self._fd, READ)
                except BlockingIOError:
                    pass
            await self._readable()
            self._begun = True
        return b""

    async def _readable(self) -> None:
        future = self._loop.create_future()
        self.idle_since = self._loop.time()
        self._loop.add_reader(self._fd, _resolve, future)
        try:
            await future
        finally:
            self.idle_since = None
            if self._fd >= 0:
                self._loop.remove_reader(self._fd)

    def close(self) -> None:
        """Close the descriptor; may be called again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._loop.remove_reader(fd)
            os.close(fd)


class FifoWriter:
    """Writes into a FIFO opened without blocking; owns the descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()

    async def wait_reader(self, seconds: float = READER) -> None:
        """Return when the FIFO has a reader, or after some seconds.

        The shim opens stdin in the background, and a start may be over before that. A write in between fails as if the
        process had closed its stdin, and an end in between is never seen.
        """
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        until = self._loop.time() + seconds
        # The kernel reports a missing reader as a lasting error, and its arrival not at all, so only polling helps.
        while _no_reader(poll) and self._loop.time() < until:  # noqa: ASYNC110 - see above
            await asyncio.sleep(_POLL)

    async def write(self, data: bytes) -> None:
        """Write all of ``data``.

        Raises ``BrokenPipeError`` if the FIFO has no reader any more.
        """
        rest = memoryview(data)
        while rest:
            if self._fd < 0:
                raise BrokenPipeError("the fifo is closed")
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                await self._writable()
            else:
                if rest:
                    await self._writable()
                else:
                    await asyncio.sleep(0)

    async def _writable(self) -> None:
        future = self._loop.create_future()
        self._loop.add_writer(self._fd, _resolve, future)
        try:
            await future
        finally:
            if self._fd >= 0:
                self._loop.remove_writer(self._fd)

    def close(self) -> None:
        """Close the descriptor; may be called again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._loop.remove_writer(fd)
            os.close(fd)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _no_reader(poll: select.poll) -> bool:
    return any(event & select.POLLERR for _, event in poll.poll(0))
