"""Collect the output of one exec for the response of ExecSync, on the event loop.

A capture keeps at most 16 MiB of each stream, as containerd's plugin does (internal/cri/server/container_execsync.go).
It reads and drops the rest, so that the command does not block and can end. The loop's selector says when a descriptor
is readable. It reports nothing before the shim has opened its end, so an empty read always means the end of the output.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

from msgspec import Struct, field

DEFAULT_LIMIT: Final = 16 * 1024 * 1024
READ_SIZE: Final = 64 * 1024
READS_PER_CALLBACK: Final = 4  # then other callbacks of the loop run


class _Collected(Struct):
    fd: int
    data: bytearray = field(default_factory=bytearray)
    truncated: bool = False


class Capture:
    """Reads two descriptors, which must not block, from its creation on, and owns them; needs the running loop."""

    def __init__(self, stdout_fd: int, stderr_fd: int | None = None, *, limit: int = DEFAULT_LIMIT) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit = limit
        self._stdout = _Collected(stdout_fd)
        self._stderr = _Collected(-1 if stderr_fd is None else stderr_fd)
        self._end = asyncio.Event()
        for stream in (self._stdout, self._stderr):
            if stream.fd >= 0:
                self._loop.add_reader(stream.fd, self._read, stream)

    @property
    def stdout(self) -> bytes:
        """The bytes written to stdout so far, up to the limit."""
        return bytes(self._stdout.data)

    @property
    def stderr(self) -> bytes:
        """The bytes written to stderr so far, up to the limit."""
        return bytes(self._stderr.data)

    @property
    def truncated(self) -> bool:
        """Whether some output was dropped."""
        return self._stdout.truncated or self._stderr.truncated

    def _read(self, stream: _Collected) -> None:
        for _ in range(READS_PER_CALLBACK):
            try:
                data = os.read(stream.fd, READ_SIZE)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._close(stream)
                return
            room = self._limit - len(stream.data)
            if len(data) > room:
                stream.truncated = True
                data = data[:room]
            stream.data += data

    def _close(self, stream: _Collected) -> None:
        if stream.fd >= 0:
            self._loop.remove_reader(stream.fd)
            os.close(stream.fd)
            stream.fd = -1
        if self._stdout.fd < 0 and self._stderr.fd < 0:
            self._end.set()

    async def drained(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - running out of time is an answer here
        """Wait up to ``timeout`` seconds (None: for ever) until all writers have closed; True means that this is all.

        False means that a process, perhaps a child that the command left in the background, still holds a writing end.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._end.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Stop reading and close the descriptors; what was read stays.

        May be called again.
        """
        for stream in (self._stdout, self._stderr):
            self._close(stream)
