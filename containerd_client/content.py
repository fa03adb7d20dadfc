"""containerd.services.content.v1: blobs by digest, and the ingests that become blobs.

Writing a blob has a module of its own, content_writer.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.content.v1 import content_pb2 as pb
from containerd_client.call import Unary
from containerd_client.content_writer import Writer, WriterBlock
from containerd_client.duplex import Duplex
from containerd_client.encoding.field_mask import field_mask
from containerd_client.errors import NotFound, ResourceExhausted
from containerd_client.options import call_options
from containerd_client.stream import ServerStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from containerd_client.channel import Connection

_SERVICE = "containerd.services.content.v1.Content"
_DOCUMENT_SECONDS: Final = 60.0
"""Time limit for reading a whole blob into memory: a manifest or a configuration."""


class Content:
    """The content store, reached as ``client.content``.

    Digests are strings like ``sha256:…``; sizes and offsets are in bytes.
    """

    def __init__(self, connection: Connection) -> None:
        self._info: Unary[pb.InfoRequest, pb.InfoResponse] = Unary(
            connection, f"{_SERVICE}/Info", pb.InfoResponse.FromString
        )
        self._update: Unary[pb.UpdateRequest, pb.UpdateResponse] = Unary(
            connection, f"{_SERVICE}/Update", pb.UpdateResponse.FromString
        )
        self._list: ServerStream[pb.ListContentRequest, pb.ListContentResponse] = ServerStream(
            connection, f"{_SERVICE}/List", pb.ListContentResponse.FromString
        )
        self._delete: Unary[pb.DeleteContentRequest, Empty] = Unary(connection, f"{_SERVICE}/Delete", Empty.FromString)
        self._read: ServerStream[pb.ReadContentRequest, pb.ReadContentResponse] = ServerStream(
            connection, f"{_SERVICE}/Read", pb.ReadContentResponse.FromString
        )
        self._status: Unary[pb.StatusRequest, pb.StatusResponse] = Unary(
            connection, f"{_SERVICE}/Status", pb.StatusResponse.FromString
        )
        self._list_statuses: Unary[pb.ListStatusesRequest, pb.ListStatusesResponse] = Unary(
            connection, f"{_SERVICE}/ListStatuses", pb.ListStatusesResponse.FromString
        )
        self._write: Duplex[pb.WriteContentRequest, pb.WriteContentResponse] = Duplex(
            connection, f"{_SERVICE}/Write", pb.WriteContentResponse.FromString
        )
        self._abort: Unary[pb.AbortRequest, Empty] = Unary(connection, f"{_SERVICE}/Abort", Empty.FromString)

    async def info(self, digest: str) -> pb.Info:
        """Return size, labels and timestamps of a blob; raises NotFound."""
        return (await self._info(pb.InfoRequest(digest=digest))).info

    async def update(self, info: pb.Info, *fieldpaths: str) -> pb.Info:
        """Change labels (``labels`` or ``labels.key``); raises NotFound."""
        return (await self._update(pb.UpdateRequest(info=info, update_mask=field_mask(fieldpaths)))).info

    async def walk(self, *filters: str) -> list[pb.Info]:
        """Return the blobs that match any of ``filters``, or all if there are none."""
        messages = await self._list.collect(pb.ListContentRequest(filters=filters))
        return [info for message in messages for info in message.info]

    async def delete(self, digest: str) -> None:
        """Remove a blob from this namespace; raises NotFound."""
        await self._delete(pb.DeleteContentRequest(digest=digest))

    async def read(self, digest: str, offset: int = 0, size: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield ``size`` bytes of a blob from ``offset`` on (0: to its end), in pieces whose size containerd chooses.

        Raises NotFound, OutOfRange. Close the generator (``contextlib.aclosing``) if you leave it early.
        """
        stream = self._read(pb.ReadContentRequest(digest=digest, offset=offset, size=size))
        try:
            async for message in stream:
                yield message.data
        finally:
            await stream.aclose()

    async def read_all(self, digest: str, limit: int) -> bytes:
        """Return a whole blob; raises ResourceExhausted, before reading, if it is larger than ``limit`` bytes."""
        size = (await self.info(digest)).size
        if size > limit:
            raise ResourceExhausted(
                self._read.method, f"content {digest} has {size} bytes, more than the limit of {limit}"
            )
        with call_options(timeout=_DOCUMENT_SECONDS):
            messages = await self._read.collect(pb.ReadContentRequest(digest=digest))
        return b"".join(message.data for message in messages)

    async def status(self, ref: str) -> pb.Status:
        """Return how far an ingest has come; raises NotFound."""
        return (await self._status(pb.StatusRequest(ref=ref))).status

    async def list_statuses(self, *filters: str) -> list[pb.Status]:
        """Return the ingests that are in progress or were left behind."""
        return list((await self._list_statuses(pb.ListStatusesRequest(filters=filters))).statuses)

    async def abort(self, ref: str) -> None:
        """Discard an ingest; raises NotFound."""
        await self._abort(pb.AbortRequest(ref=ref))

    def writer(self, ref: str, *, size: int = 0, expected: str = "", abort_on_error: bool = False) -> WriterBlock:
        """Open an ingest or resume it: ``async with client.content.writer(ref, size=…, expected=digest) as writer:``.

        ``writer.offset`` is where to continue. ``size`` and ``expected`` may be unknown (0 and empty) until the commit.
        Leaving the block without a commit keeps the ingest, so that it can be resumed later, unless the block fails and
        ``abort_on_error`` is set. Raises Unavailable (see ``errors.is_ingest_locked``) while another writer holds
        ``ref``. A blob that exists already is not an error: ``writer.exists`` is true, and nothing needs to be written.
        """
        return WriterBlock(Writer(self._write, ref, size, expected), self.abort if abort_on_error else None)

    async def write_blob(self, ref: str, data: bytes, digest: str, labels: Mapping[str, str] | None = None) -> None:
        """Store ``data``, whose digest must be ``digest``, with ``labels``, which an existing blob gets too.

        Raises FailedPrecondition if the digest is wrong.
        """
        async with self.writer(ref, size=len(data), expected=digest) as writer:
            if not writer.exists and writer.offset:
                await writer.truncate()
            await writer.write(data)
            await writer.commit(len(data), digest, labels)
            existed = writer.exists
        if existed and labels:
            info = pb.Info(digest=digest, labels=labels)
            try:
                await self.update(info, *(f"labels.{key}" for key in labels))
            except NotFound:
                # The garbage collector removed the blob in the meantime, so it has to be written after all.
                await self.write_blob(ref, data, digest, labels)
