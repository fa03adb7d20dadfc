"""Bytes as they come from a registry, on into containerd: a message is filled while the one before is on its way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from containerd_client.distribution.errors import CorruptBlobError, TransferError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from containerd_client.content_writer import Writer
    from containerd_client.distribution.manifest import Descriptor
    from containerd_client.distribution.progress import Progress
    from containerd_client.distribution.turns import Turns

CHUNK = 1 << 20
"""Bytes per message to containerd, which takes at most 16 MiB."""


class BlobCopy:
    """One blob into one open ingest; what is in memory are two messages at most."""

    def __init__(self, wanted: Descriptor, writer: Writer, progress: Progress, turns: Turns, rank: int) -> None:
        self._wanted = wanted
        self._writer = writer
        self._progress = progress
        self._turns = turns
        self._rank = rank
        self._writing: asyncio.Task[None] | None = None

    async def run(self, chunks: AsyncIterator[bytes]) -> None:
        """Copy to the end of ``chunks``. What came before a :class:`TransferError` is kept.

        Raises :class:`CorruptBlobError` for more bytes than promised, StalledError, and containerd's errors.
        """
        try:
            await self._run(chunks)
        finally:
            self._turns.leave(self._rank)
            if self._writing is not None:  # left early
                self._writing.cancel()
                await asyncio.wait({self._writing})
                self._writing = None

    async def _run(self, chunks: AsyncIterator[bytes]) -> None:
        pieces: list[bytes] = []
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
                if size >= CHUNK:
                    await self._written()
                    self._writing = asyncio.create_task(self._write(pieces))
                    offset += size
                    pieces, size = [], 0
        except TransferError as error:
            broken = error  # what came before is good
        await self._written()
        if pieces:
            await self._write(pieces)
        async with self._progress.within("containerd takes no bytes"):
            await self._writer.flush()
        if broken is not None:
            raise broken

    async def _written(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    async def _write(self, pieces: list[bytes]) -> None:
        with self._progress.paused():
            await self._turns.wait(self._rank)
        try:
            async with self._progress.within("containerd takes no bytes"):
                await self._writer.write_pieces(pieces)
        finally:
            self._turns.end(self._rank)
