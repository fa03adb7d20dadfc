"""containerd.services.content.v1: blobs by digest, and the ingests that become blobs; see also content_writer.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.content.v1 import content_pb2 as pb
from containerd_client.call import Unary
from containerd_client.content_writer import Writer, WriterBlock
from containerd_client.duplex import Duplex
from containerd_client.errors import NotFound, ResourceExhausted
from containerd_client.field_mask import field_mask
from containerd_client.options import call_options
from containerd_client.stream import ServerStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from containerd_client.channel import Connection

_SERVICE = "containerd.services.content.v1.Content"
_DOCUMENT_SECONDS: Final = 60.0
"""For a blob that is read whole: manifests and configurations."""


class Content:
    """``client.content``. Digests are strings like ``sha256:…``, sizes and offsets bytes."""

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
        """Size, labels and times of a blob; raises NotFound."""
        return (await self._info(pb.InfoRequest(digest=digest))).info

    async def update(self, info: pb.Info, *fieldpaths: str) -> pb.Info:
        """Change labels (``labels`` or ``labels.key``); raises NotFound."""
        return (await self._update(pb.UpdateRequest(info=info, update_mask=field_mask(fieldpaths)))).info

    async def walk(self, *filters: str) -> list[pb.Info]:
        """Blobs that match any of ``filters``, all without one."""
        messages = await self._list.collect(pb.ListContentRequest(filters=filters))
        return [info for message in messages for info in message.info]

    async def delete(self, digest: str) -> None:
        """Remove a blob from this namespace; raises NotFound."""
        await self._delete(pb.DeleteContentRequest(digest=digest))

    async def read(self, digest: str, offset: int = 0, size: int = 0) -> AsyncGenerator[bytes, None]:
        """A blob's bytes from ``offset`` on, ``size`` of them (0: to the end), in pieces of containerd's choosing.

        Raises NotFound, OutOfRange. Close it (``contextlib.aclosing``) when you leave it early.
        """
        stream = self._read(pb.ReadContentRequest(digest=digest, offset=offset, size=size))
        try:
            async for message in stream:
                yield message.data
        finally:
            await stream.aclose()

    async def read_all(self, digest: str, limit: int) -> bytes:
        """A whole blob; raises ResourceExhausted, having read nothing, if it is larger than ``limit`` bytes."""
        size = (await self.info(digest)).size
        if size > limit:
            raise ResourceExhausted(
                self._read.method, f"content {digest} has {size} bytes, more than the {limit} that are allowed here"
            )
        with call_options(timeout=_DOCUMENT_SECONDS):
            messages = await self._read.collect(pb.ReadContentRequest(digest=digest))
        return b"".join(message.data for message in messages)

    async def status(self, ref: str) -> pb.Status:
        """How far an ingest is; raises NotFound."""
        return (await self._status(pb.StatusRequest(ref=ref))).status

    async def list_statuses(self, *filters: str) -> list[pb.Status]:
        """Ingests under way or left behind."""
        return list((await self._list_statuses(pb.ListStatusesRequest(filters=filters))).statuses)

    async def abort(self, ref: str) -> None:
        """Throw an ingest away; raises NotFound."""
        await self._abort(pb.AbortRequest(ref=ref))

    def writer(self, ref: str, *, size: int = 0, expected: str = "", abort_on_error: bool = False) -> WriterBlock:
        """``async with client.content.writer(ref, size=…, expected=digest) as writer:`` open an ingest, or resume it.

        ``writer.offset`` tells where to go on. ``size`` and ``expected`` may be unknown (0 and empty) until the commit.
        Leaving the block without a commit keeps the ingest for a later resume, unless the block fails and
        ``abort_on_error`` is set. Raises Unavailable (see ``errors.is_ingest_locked``) while another writer holds
        ``ref``. A blob that is there already is no error: ``writer.exists`` says so, and nothing needs to be written.
        """
        return WriterBlock(Writer(self._write, ref, size, expected), self.abort if abort_on_error else None)

    async def write_blob(self, ref: str, data: bytes, digest: str, labels: Mapping[str, str] | None = None) -> None:
        """Store ``data``, which must have ``digest``, with ``labels``; labels are set on a blob that was there too.

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
                # Removed by the garbage collector in between: write it after all.
                await self.write_blob(ref, data, digest, labels)
