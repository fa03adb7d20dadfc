"""A unix socket in front of another one that forwards what a client sends a fixed time later.

    python -m lab.faults.slow_socket LISTEN TARGET MILLISECONDS

All bytes are late by the same time, of several clients or in a row: it adds latency and does not limit throughput.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from pathlib import Path
from typing import Self

CHUNK = 1 << 16


class SlowSocket:
    """``async with SlowSocket(path, target) as slow``; ``slow.seconds`` may be changed at any time.

    Bytes that were sent before a change are not overtaken by those sent after it. ``hold`` keeps back what is still on
    its way until ``release``, so that a test can look at the state before it arrives, however slow the machine is.
    """

    def __init__(self, path: Path, target: str, seconds: float = 0.0) -> None:
        self.path = path
        self.seconds = seconds
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()
        self._released = asyncio.Event()
        self._released.set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._server = await asyncio.start_unix_server(self._accepted, str(self.path))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut all connections."""
        self._server.close()
        await self.hang_up()

    def hold(self) -> None:
        """Forward nothing more of what clients send until ``release``."""
        self._released.clear()

    def release(self) -> None:
        """Forward at once what was held, and everything after it."""
        self.seconds = 0.0
        self._released.set()

    async def hang_up(self) -> None:
        """Cut the present connections, with what is on its way."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

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
        said: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        saying = asyncio.create_task(self._say(said, sink, late=late))
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(CHUNK):
                    said.put_nowait((loop.time() + (self.seconds if late else 0.0), data))
        finally:
            saying.cancel()
            sink.close()

    async def _say(self, said: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter, *, late: bool) -> None:
        loop = asyncio.get_running_loop()
        while True:
            when, data = await said.get()
            if (left := when - loop.time()) > 0:
                await asyncio.sleep(left)
            if late:
                await self._released.wait()
            if sink.is_closing():
                return
            sink.write(data)


async def serve(listen: Path, target: str, seconds: float) -> None:
    """Forward until the process is ended."""
    async with SlowSocket(listen, target, seconds):
        await asyncio.Event().wait()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m lab.faults.slow_socket", description="Slow a unix socket down.")
    parser.add_argument("listen", type=Path, help="the slow socket")
    parser.add_argument("target", help="the socket behind it")
    parser.add_argument("milliseconds", type=float, help="how late everything is that a client sends")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.listen, options.target, options.milliseconds / 1000))


if __name__ == "__main__":
    main()
