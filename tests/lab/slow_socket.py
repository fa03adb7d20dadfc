"""A unix socket in front of another one that hands on whatever a client says a fixed time later.

What two clients' bytes, or one client's bytes in a row, are late by is the same time, not a sum: a delay, no brake.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 1 << 16


class SlowSocket:
    """``async with SlowSocket(path, target) as slow``; ``slow.seconds`` may be changed at any time."""

    def __init__(self, path: Path, target: str, seconds: float = 0.0) -> None:
        self.path = path
        self.seconds = seconds
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._server = await asyncio.start_unix_server(self._accepted, str(self.path))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut all connections."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.close()
            return
        for source, sink, late in ((reader, far_writer, True), (far_reader, writer, False)):
            task = asyncio.create_task(self._hand_on(source, sink, late=late))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _hand_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, late: bool) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if late and self.seconds:
                    loop.call_later(self.seconds, self._write, sink, data)
                else:
                    sink.write(data)
        sink.close()

    @staticmethod
    def _write(sink: asyncio.StreamWriter, data: bytes) -> None:
        if not sink.is_closing():
            sink.write(data)
