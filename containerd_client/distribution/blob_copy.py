"""Copy bytes from a registry to containerd: the next message is filled while the previous one is being sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from containerd_client.distribution.values.errors import CorruptBlobError, TransferError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from containerd_client.content_writer import Writer
    from containerd_client.distribution.chunk_queue import ChunkQueue
    from containerd_client.distribution.progress import Progress
    from containerd_client.distribution.values.manifest import Descriptor

MESSAGE = 4 << 20
"""Bytes per message to containerd, which takes at most 16 MiB.

containerd allocates each received byte twice, and its garbage collector runs the more often the less memory is in use
meanwhile. docs/adr/0010 has the measurements of other sizes.
"""


class BlobCopy:
    """Copy one blob into one open ingest, with one message in memory while it is sent, and the next one's pieces."""

    def __init__(self, wanted: Descriptor, writer: Writer, progress: Progress, queue: ChunkQueue, rank: int) -> None:
        self._wanted = wanted
        self._writer = writer
        self._progress = progress
        self._chunk_queue = queue
        self._rank = rank
        self._sending: asyncio.Task[None] | None = None

    async def run(self, chunks: AsyncIterator[bytes | memoryview]) -> None:
        """Copy ``chunks`` to their end; what arrived before a :class:`TransferError` is kept.

        Raises :class:`CorruptBlobError` if more bytes arrive than were promised, StalledError, and containerd's errors.
        """
        try:
            await self._run(chunks)
        finally:
            self._chunk_queue.leave(self._rank)
            if self._sending is not None:  # left early
                self._sending.cancel()
                await asyncio.wait({self._sending})
                self._sending = None

    async def _run(self, chunks: AsyncIterator[bytes | memoryview]) -> None:
        pieces: list[bytes | memoryview] = []
        size, offset = 0, self._writer.offset
        broken: TransferError | None = None
        try:
            async for chunk in chunks:
                pieces.append(chunk)
                size += len(chunk)
                self._progress.moved(len(chunk))
                if offset + size > self._wanted.size:
                    raise CorruptBlobError(
                        f"blob {self._wanted.digest}: more than the promised {self._wanted.size} bytes arrive"
                    )
                if size >= MESSAGE:
                    await self._send(pieces)
                    offset += size
                    pieces, size = [], 0
        except TransferError as error:
            broken = error  # what arrived before the error is good
        if pieces:
            await self._send(pieces)
        await self._sent()
        async with self._progress.within("containerd accepts no bytes"):
            await self._writer.flush()
        if broken is not None:
            try:
                raise broken
            finally:
                broken = None  # or the error and this frame refer to each other, and to pieces of several MiB

    async def _send(self, pieces: list[bytes | memoryview]) -> None:
        """Wait for permission to send, start sending the message, and return while it is being sent."""
        await self._sent()
        with self._progress.paused():
            await self._chunk_queue.wait(self._rank)
        # Copied before anything more is read: what the pieces show may be overwritten then.
        size = sum(len(piece) for piece in pieces)
        self._sending = asyncio.create_task(self._write(self._writer.packed(pieces), size))
        # A ``finally`` in the task itself would not do: a task that is cancelled at once never starts.
        self._sending.add_done_callback(lambda _: self._chunk_queue.end(self._rank))

    async def _sent(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            await sending

    async def _write(self, message: bytes, size: int) -> None:
        sending = self._writer.send(message, size)
        del message  # the writer drops it as soon as gRPC has its copy
        async with self._progress.within("containerd accepts no bytes"):
            await sending
