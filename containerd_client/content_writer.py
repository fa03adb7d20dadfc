"""Write one blob: an ingest under a ref, written at offsets, resumed after a break, committed under its digest.

The server side is containerd's contentserver. The first message must be a STAT that names the ref. Every message is
answered. A message with offset 0 truncates an ingest that has bytes, so a commit must carry the current offset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from containerd_client.api.containerd.services.content.v1 import content_pb2 as pb
from containerd_client.encoding.varint import varint
from containerd_client.errors import AlreadyExists, ContainerdError, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from containerd_client.duplex import Conversation, Duplex

CHUNK_BYTES: Final = 1 << 20
"""Size of one message: far below the limit of 16 MiB, and small enough not to hold up the event loop."""
_DATA_TAG: Final = bytes([pb.WriteContentRequest.DESCRIPTOR.fields_by_name["data"].number << 3 | 2])


class Writer:
    """An open ingest; made by ``client.content.writer``."""

    def __init__(
        self, method: Duplex[pb.WriteContentRequest, pb.WriteContentResponse], ref: str, size: int, expected: str
    ) -> None:
        self.ref: Final = ref
        self.offset = 0
        """Bytes in the ingest, including those of earlier writers."""
        self.exists = False
        """Whether the blob existed already, when the writer was opened or at the commit."""
        self.digest = ""
        """Digest of the committed blob; empty before the commit."""
        self._ahead = 0
        self._method = method
        self._size = size
        self._expected = expected
        self._conversation: Conversation[pb.WriteContentRequest, pb.WriteContentResponse] | None = None

    async def open(self) -> None:
        """Send the ref to containerd and receive the offset."""
        self._conversation = self._method()
        request = pb.WriteContentRequest(action=pb.STAT, ref=self.ref, total=self._size, expected=self._expected)
        try:
            self.offset = (await self._conversation.ask(request)).offset
        except AlreadyExists:
            self._note_existing(self._expected, self._size)

    async def write(self, data: bytes | memoryview) -> None:
        """Append ``data`` in messages of at most CHUNK_BYTES; does nothing once ``exists`` is true."""
        view = memoryview(data)
        for start in range(0, len(view), CHUNK_BYTES):
            await self.write_pieces([view[start : start + CHUNK_BYTES]])
        await self.flush()

    async def write_pieces(self, pieces: list[bytes | memoryview]) -> None:
        """Append all ``pieces`` in one message, a few MiB at most in total, and empty the list.

        ``offset`` lags one message behind: containerd receives this message while it stores the previous one.
        """
        if not self.exists:
            size = sum(len(piece) for piece in pieces)
            await self.send(self.packed(pieces), size)

    def packed(self, pieces: list[bytes | memoryview]) -> bytes:
        """Copy all ``pieces`` into one message for :meth:`send`, and empty the list; earlier ones must have been sent.

        A message on the wire is its fields one after the other, so the data are appended to the other fields by hand.
        This copies each byte once, where serialising the message would copy it four times.
        """
        head = pb.WriteContentRequest(
            action=pb.WRITE, ref=self.ref, total=self._size, expected=self._expected, offset=self.offset + self._ahead
        )
        size = sum(len(piece) for piece in pieces)
        message = b"".join((head.SerializeToString(), _DATA_TAG, varint(size), *pieces))
        pieces.clear()
        return message

    async def send(self, message: bytes, size: int) -> None:
        """Send a message with ``size`` bytes of data that :meth:`packed` made, and wait for the previous one's answer.

        Does nothing once ``exists`` is true.
        """
        if self.exists:
            return
        conversation = self._open_conversation()
        await conversation.send_bytes(message)
        del message  # gRPC has its copy; this frees ours while the next message is gathered during the await
        before, self._ahead = self._ahead, size
        if before:
            self.offset = (await conversation.answer()).offset

    async def flush(self) -> None:
        """Wait until containerd has stored everything that was written; ``offset`` then says how much that is."""
        if self._ahead:
            self.offset = (await self._open_conversation().answer()).offset
            self._ahead = 0

    async def truncate(self) -> None:
        """Discard what the ingest holds and start again at offset 0."""
        await self.flush()
        if self.exists or not self.offset:
            return
        request = pb.WriteContentRequest(
            action=pb.WRITE, ref=self.ref, total=self._size, expected=self._expected, offset=0
        )
        self.offset = (await self._open_conversation().ask(request)).offset

    async def commit(self, size: int = 0, expected: str = "", labels: Mapping[str, str] | None = None) -> str:
        """Turn the ingest into a blob and return its digest; the ingest is gone afterwards.

        Raises FailedPrecondition if the ingest does not have ``size`` bytes (0: not checked) or its digest is not
        ``expected`` (empty: not checked). A blob that exists already is a success, but it keeps its own labels.
        """
        expected = expected or self._expected
        if self.exists:
            return self.digest or expected
        await self.flush()
        request = pb.WriteContentRequest(
            action=pb.COMMIT,
            ref=self.ref,
            total=size or self._size,
            expected=expected,
            offset=self.offset,
            labels=labels,
        )
        try:
            response = await self._open_conversation().ask(request)
        except AlreadyExists:
            self._note_existing(expected, self.offset)
        else:
            self.digest = response.digest
        return self.digest

    async def close(self, *, in_order: bool) -> None:
        """End the stream; with ``in_order``, wait until containerd has released the ref and it can be opened again."""
        conversation, self._conversation = self._conversation, None
        if conversation is None:
            return
        try:
            if in_order and not self.exists:
                await conversation.finish()
        finally:
            conversation.close()

    def _note_existing(self, digest: str, size: int) -> None:
        self.exists = True
        self.digest = digest
        self.offset = size

    def _open_conversation(self) -> Conversation[pb.WriteContentRequest, pb.WriteContentResponse]:
        if self._conversation is None:
            raise ValueError(f"the writer of {self.ref} is closed; use it inside its ``async with`` block")
        return self._conversation


class WriterBlock:
    """Open a writer at the start of a block and close it at the end."""

    def __init__(self, writer: Writer, abort: Callable[[str], Awaitable[None]] | None) -> None:
        self._writer = writer
        self._abort = abort

    async def __aenter__(self) -> Writer:
        opened = False
        try:
            await self._writer.open()
            opened = True
        finally:
            if not opened:
                await self._writer.close(in_order=False)
        return self._writer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        del kind, at
        await self._writer.close(in_order=error is None)
        if error is not None and self._abort is not None:
            try:
                await self._abort(self._writer.ref)
            except NotFound:
                pass
            except ContainerdError as failure:
                error.add_note(f"the ingest {self._writer.ref} could not be aborted: {failure}")
