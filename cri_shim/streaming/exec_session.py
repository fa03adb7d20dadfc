"""A command in a container with its client at the other end: carry bytes both ways until one of the two has ended.

The order at the end makes output complete: the process ends, its FIFOs are read to their ends, the client gets the
status, and only then is the process deleted. When the client goes, its process is ended: no one would read its output,
and without a waiter it would stay for ever (containerd issues 9668 and 10568).
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import structlog

from containerd_client import ContainerdError
from cri_shim.errors import CriError
from cri_shim.logs import StdinKeeper
from cri_shim.streaming.fifo_io import FifoReader, FifoWriter
from cri_shim.streaming.remote import ClientGoneError, Outcome, Output

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from cri_shim.concurrency.operations import Operations
    from cri_shim.streaming.exec_process import ExecProcess
    from cri_shim.streaming.remote import RemoteClient, RequestedStreams

_POLL = 0.25

log = structlog.get_logger(__name__)


class ExecSession:
    """One exec.

    ``drain`` is how many seconds an ended command's FIFOs may stay open with nothing in them; 0 means for ever.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[ExecProcess]],
        wanted: RequestedStreams,
        operations: Operations,
        container_ended: Callable[[], Coroutine[None, None, None]],
        *,
        drain: float,
    ) -> None:
        self._make = make
        self._wanted = wanted
        self._operations = operations
        self._container_ended = container_ended
        self._drain = drain
        self._loop = asyncio.get_running_loop()

    async def run(self, client: RemoteClient) -> Outcome:
        """Run the command to its end.

        Raises ``ClientGoneError`` if the client goes first.
        """
        try:
            process = await self._make()
        except (ContainerdError, CriError, OSError) as error:
            return Outcome(error=f"error executing command in container: {error}")
        try:
            return await self._run(process, client)
        finally:
            process.begin_removal(self._operations)

    async def _run(self, process: ExecProcess, client: RemoteClient) -> Outcome:
        stdout_fd, stderr_fd = process.fifos.open_readers()
        readers = {Output.STDOUT: FifoReader(stdout_fd)}
        if stderr_fd is not None:
            readers[Output.STDERR] = FifoReader(stderr_fd)
        stdin = _open_stdin(process.fifos.stdin) if process.fifos.stdin else None
        tasks: list[asyncio.Task[None]] = []
        try:
            try:
                await process.start()
            except (ContainerdError, CriError) as error:
                return Outcome(error=f"error executing command in container: {error}")
            outputs = [asyncio.create_task(self._carry(reader, client, to)) for to, reader in readers.items()]
            tasks += outputs
            if stdin is not None:
                tasks.append(asyncio.create_task(_feed(process, stdin, client)))
            if self._wanted.tty:
                tasks.append(asyncio.create_task(_resize(process, client)))
            return await self._until_ended(process, client, outputs, list(readers.values()))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for reader in readers.values():
                reader.close()
            if stdin is not None:
                stdin.close()

    async def _until_ended(
        self,
        process: ExecProcess,
        client: RemoteClient,
        outputs: list[asyncio.Task[None]],
        readers: list[FifoReader],
    ) -> Outcome:
        exit_ = asyncio.create_task(process.wait())
        gone = asyncio.create_task(client.gone())
        container = asyncio.create_task(self._container_ended())
        try:
            await asyncio.wait({exit_, gone, container}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise ClientGoneError("the client has hung up")
            if not exit_.done():  # the container has ended, and with it all its processes
                await asyncio.wait({exit_, gone}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            await self._drained({*outputs}, readers, gone)
            if not exit_.done():
                return Outcome(error="the container has ended while the command was running")
            try:
                return Outcome(exit_code=exit_.result().code)
            except (ContainerdError, CriError) as error:
                return Outcome(error=f"error executing command in container: {error}")
        finally:
            for task in (exit_, gone, container):
                task.cancel()

    async def _drained(
        self, outputs: set[asyncio.Task[None]], readers: list[FifoReader], gone: asyncio.Task[None]
    ) -> None:
        """Wait until the client has all output, but not for a FIFO that a left-behind child holds open silently."""
        ended = self._loop.time()
        while True:
            _, outputs = await asyncio.wait(outputs, timeout=_POLL)
            if not outputs:
                return
            if gone.done():
                raise ClientGoneError("the client has hung up")
            now = self._loop.time()
            idle = [reader.idle_since for reader in readers]
            busy_until = max(ended, *(since if since is not None else 0.0 for since in idle))
            waiting = sum(since is not None for since in idle)
            if self._drain and waiting >= len(outputs) and now - busy_until > self._drain:
                log.info("exec.output_still_open", waited_seconds=self._drain)
                return

    async def _carry(self, reader: FifoReader, client: RemoteClient, output: Output) -> None:
        """Carry bytes from a FIFO to the client.

        Drop those of a stream it did not ask for, so that the command goes on.
        """
        wanted = self._wanted.stdout if output is Output.STDOUT else self._wanted.stderr
        while data := await reader.read():
            if not wanted:
                await asyncio.sleep(0)
                continue
            try:
                await client.write(output, data)
            except ClientGoneError:
                wanted = False


async def _feed(process: ExecProcess, stdin: FifoWriter, client: RemoteClient) -> None:
    try:
        await stdin.wait_reader()
        while data := await client.read_stdin():
            await stdin.write(data)
    except BrokenPipeError:
        return  # the command has closed its stdin, so the rest of the client's input is ignored
    stdin.close()
    await process.close_stdin()


async def _resize(process: ExecProcess, client: RemoteClient) -> None:
    while True:
        size = await client.read_size()
        await process.resize(size.width, size.height)


def _open_stdin(path: str) -> FifoWriter:
    keeper = StdinKeeper(path)
    try:
        return FifoWriter(os.dup(keeper.fd))
    finally:
        keeper.close()
