"""Attach a client to a container's main process: copy its output from now on, and feed its stdin.

Several clients may be attached at once. Output comes through taps on the container's log, which never wait: a client
that falls a megabyte behind is cut off. All clients write into the one stdin of the container. With stdin_once, the end
of the first client's stdin is the end of the container's.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import structlog

from containerd_client import ContainerdError
from cri_shim.logs import Tap
from cri_shim.streaming.fifo_io import FifoWriter
from cri_shim.streaming.remote import ClientGoneError, Outcome, Output

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from containerd_client import Containerd
    from cri_shim.logs.registry import ContainerLogs
    from cri_shim.streaming.remote import RemoteClient, RequestedStreams

LAST_WORDS = 0.5
"""Seconds in which what a client sent before it hung up is still written to the container."""

log = structlog.get_logger(__name__)


class AttachSession:
    """One attach; ``container_ended`` returns when the container has ended.

    With ``stdin_once`` the end of the client's stdin is passed on to the container, and so is a hang-up.
    """

    def __init__(
        self,
        containerd: Containerd,
        container_id: str,
        logs: ContainerLogs,
        wanted: RequestedStreams,
        *,
        stdin_once: bool,
        container_ended: Callable[[], Coroutine[None, None, None]],
    ) -> None:
        self._tasks = containerd.tasks
        self._container_id = container_id
        self._logs = logs
        self._wanted = wanted
        self._stdin_once = stdin_once
        self._container_ended = container_ended

    async def run(self, client: RemoteClient) -> Outcome:
        """Stay attached until the container's output ends.

        Raises ``ClientGoneError`` if the client goes first.
        """
        tap = Tap()
        remove_tap = self._logs.listen(self._container_id, tap)
        if remove_tap is None:
            return Outcome(error=f"container {self._container_id} has no output to attach to")
        output = asyncio.create_task(self._carry(tap, client))
        gone = asyncio.create_task(client.gone())
        ended = asyncio.create_task(self._container_ended())
        others: list[asyncio.Task[None]] = []
        stdin = self._open_stdin() if self._wanted.stdin else None
        if stdin is not None:
            others.append(asyncio.create_task(self._feed(stdin, client)))
        if self._wanted.tty:
            others.append(asyncio.create_task(self._resize(client)))
        try:
            await asyncio.wait({output, gone, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not output.done() and not gone.done():
                # The container has ended. Its last output is still in the tap, for a client that reads.
                tap(b"stdout", b"")
                await asyncio.wait({output, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                if stdin is not None and self._stdin_once:
                    await asyncio.wait(others[:1], timeout=LAST_WORDS)
                raise ClientGoneError("the client has hung up")
            output.result()
            if tap.overflowed:
                return Outcome(error="the client reads too slowly and was cut off; the log has all of the output")
            return Outcome()
        finally:
            tap.close()
            remove_tap()
            for task in (output, gone, ended, *others):
                task.cancel()
            went_first = gone.done() and not ended.done()
            await asyncio.gather(output, gone, ended, *others, return_exceptions=True)
            if stdin is not None:
                stdin.close()
                if self._stdin_once and went_first:
                    await self._end_stdin()

    def _open_stdin(self) -> FifoWriter | None:
        fd = self._logs.stdin_fd(self._container_id)
        return FifoWriter(os.dup(fd)) if fd >= 0 else None

    async def _carry(self, tap: Tap, client: RemoteClient) -> None:
        async for stream, data in tap:
            output = Output.STDERR if stream == b"stderr" else Output.STDOUT
            if self._wanted.stdout if output is Output.STDOUT else self._wanted.stderr:
                await client.write(output, data)

    async def _feed(self, stdin: FifoWriter, client: RemoteClient) -> None:
        try:
            await stdin.wait_reader()
            while data := await client.read_stdin():
                await stdin.write(data)
        except BrokenPipeError:
            return
        finally:
            stdin.close()
        if self._stdin_once:
            await self._end_stdin()

    async def _end_stdin(self) -> None:
        self._logs.close_stdin(self._container_id)
        try:
            await self._tasks.close_io(self._container_id, stdin=True)
        except ContainerdError as error:
            log.debug("attach.stdin_not_closed", container_id=self._container_id, error=str(error))

    async def _resize(self, client: RemoteClient) -> None:
        while True:
            size = await client.read_size()
            try:
                await self._tasks.resize_pty(self._container_id, "", size.width, size.height)
            except ContainerdError as error:
                log.debug("attach.not_resized", container_id=self._container_id, error=str(error))
