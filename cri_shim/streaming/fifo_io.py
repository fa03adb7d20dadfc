"""The ends of FIFOs on the event loop: reading and writing in large pieces, and waiting only when there is nothing.

asyncio's own pipe transports read 256 KiB at most once a turn and know no back-pressure between two of them; these are
pulled by whoever carries the bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import select
from typing import Final

READ: Final = 128 * 1024
"""Bytes read at a stroke."""

PIPE_SIZE: Final = 1 << 20
"""What a FIFO may hold: the kernel's default limit."""


READER = 10.0
"""Seconds that a FIFO may lack a reader before it counts as closed."""

_LOOK = 0.005


class FifoReader:
    """Reads a FIFO opened without blocking; owns the descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._begun = False
        self.idle_since: float | None = None
        """Since when a reader has found nothing to read, in the loop's time."""
        with contextlib.suppress(OSError):  # the user's pages for pipes are used up
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_SIZE)

    async def read(self) -> bytes:
        """The next bytes; none at the end, which is when all writers have gone."""
        while self._fd >= 0:
            # Before the first writer has come, a read returns nothing, which is not the end.
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
        self._loop.add_reader(self._fd, _settle, future)
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
        """Return when somebody reads, or after some seconds.

        The shim opens stdin in the background, and a start may be over before that: what is written in between fails as
        if the process had closed its stdin, and an end in between is never seen.
        """
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        until = self._loop.time() + seconds
        # The kernel reports a missing reader as an error that stays, and its coming not at all: asking is the only way.
        while _no_reader(poll) and self._loop.time() < until:  # noqa: ASYNC110 - see above
            await asyncio.sleep(_LOOK)

    async def write(self, data: bytes) -> None:
        """Write all of it. Raises BrokenPipeError when nobody reads any more."""
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
        self._loop.add_writer(self._fd, _settle, future)
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


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _no_reader(poll: select.poll) -> bool:
    return any(event & select.POLLERR for _, event in poll.poll(0))
