"""containerd.services.content.v1 of the fake: blobs, and ingests that outlive their writers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.services.content.v1 import content_pb2 as pb
from tests.fakes.containerd.filters import Filters, label_field
from tests.fakes.containerd.identifiers import digest_error, validate_labels
from tests.fakes.containerd.ingests import open_writer
from tests.fakes.containerd.refusals import Refusal, bare, not_found
from tests.fakes.containerd.state import NEVER, Blob, Ingest, now
from tests.fakes.containerd.updates import updated_labels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call

BATCH = 100
READ_BYTES = 1 << 20
"""Of one message; containerd's have 32 KiB, which says no more and costs a test time."""


class Content:
    """The methods."""

    descriptor = pb.DESCRIPTOR.services_by_name["Content"]

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def info(self, request: pb.InfoRequest, call: Call) -> pb.InfoResponse:
        """Return one blob."""
        _refuse_bad_digest(request.digest, f'"{request.digest}" failed validation')
        return pb.InfoResponse(info=_info(request.digest, self._find(request.digest, call)))

    async def update(self, request: pb.UpdateRequest, call: Call) -> pb.UpdateResponse:
        """Change labels."""
        digest = request.info.digest
        _refuse_bad_digest(digest, f'"{digest}" failed validation')
        blob = self._find(digest, call)
        refusal = f'cannot update "{{path}}" field on content info "{digest}"'
        labels = updated_labels(blob.labels, request.info.labels, request.update_mask.paths, refusal)
        validate_labels(labels, "info.Labels", self._backend.version)
        blob.labels = labels
        blob.updated_at = now()
        return pb.UpdateResponse(info=_info(digest, blob))

    async def list(self, request: pb.ListContentRequest, call: Call) -> AsyncIterator[pb.ListContentResponse]:
        """Return blobs in batches."""
        namespace = call.required_namespace()
        filters = Filters(request.filters)
        blobs = self._backend.state[namespace].content
        infos = filters.select((_info(digest, blob) for digest, blob in sorted(blobs.items())), _field)
        if self._backend.version < (2, 0):
            for one in infos:  # the listing leaves it out
                one.ClearField("updated_at")
                if self._backend.version < (1, 7):
                    one.updated_at.CopyFrom(NEVER)
        for start in range(0, len(infos), BATCH):
            yield pb.ListContentResponse(info=infos[start : start + BATCH])

    async def delete(self, request: pb.DeleteContentRequest, call: Call) -> Empty:
        """Remove a blob."""
        _refuse_bad_digest(request.digest, digest_error(request.digest))
        self._find(request.digest, call)
        space = self._backend.state[call.namespace]
        del space.content[request.digest]
        if call.lease in space.leases:
            space.leases[call.lease].discard("content", request.digest)
        self._backend.removed_something()
        event = events_pb2.ContentDelete(digest=request.digest)
        self._backend.bus.publish(call.namespace, "/content/delete", event)
        return Empty()

    async def read(self, request: pb.ReadContentRequest, call: Call) -> AsyncIterator[pb.ReadContentResponse]:
        """Return a blob's bytes in pieces."""
        _refuse_bad_digest(request.digest, f"{request.digest}: {digest_error(request.digest)}")
        self._find(request.digest, call)
        data = self._backend.state.bytes_of[request.digest]
        offset = max(request.offset, 0)
        if offset > len(data):
            raise bare(grpc.StatusCode.OUT_OF_RANGE, f"read past object length {len(data)} bytes")
        end = offset + request.size if request.size > 0 else len(data)
        wanted = memoryview(data)[offset:end]
        for start in range(0, len(wanted), READ_BYTES):
            yield pb.ReadContentResponse(offset=start, data=bytes(wanted[start : start + READ_BYTES]))

    async def status(self, request: pb.StatusRequest, call: Call) -> pb.StatusResponse:
        """Return how far an ingest is."""
        ingest = self._backend.state[call.required_namespace()].ingests.get(request.ref)
        if ingest is None:
            raise not_found(f'could not get status for ref "{request.ref}": reference {request.ref}')
        return pb.StatusResponse(status=_status(request.ref, ingest))

    async def list_statuses(self, request: pb.ListStatusesRequest, call: Call) -> pb.ListStatusesResponse:
        """Return all ingests."""
        namespace = call.required_namespace()
        filters = Filters(request.filters)
        ingests = self._backend.state[namespace].ingests
        statuses = (_status(ref, ingest) for ref, ingest in ingests.items())
        return pb.ListStatusesResponse(statuses=filters.select(statuses, _status_field))

    async def abort(self, request: pb.AbortRequest, call: Call) -> Empty:
        """Throw an ingest away."""
        space = self._backend.state[call.required_namespace()]
        if space.ingests.pop(request.ref, None) is None:
            raise not_found(f"reference {request.ref}")
        if call.lease in space.leases:
            space.leases[call.lease].discard("ingests", request.ref)
        return Empty()

    async def write(
        self, requests: AsyncIterator[pb.WriteContentRequest], call: Call
    ) -> AsyncIterator[pb.WriteContentResponse]:
        """Hold one conversation about one ingest."""
        request = await self._next(requests)
        if request is None:
            return
        if not request.ref:
            raise bare(grpc.StatusCode.INVALID_ARGUMENT, "first message must have a reference")
        writer = await open_writer(self._backend, request, call)
        try:
            while request is not None:
                yield writer.answer(request)
                if request.action == pb.COMMIT:
                    return
                request = await self._next(requests)
        finally:
            writer.close()

    async def _next(self, requests: AsyncIterator[pb.WriteContentRequest]) -> pb.WriteContentRequest | None:
        async def following() -> pb.WriteContentRequest | None:
            return await anext(requests, None)

        return await self._backend.until_gone(following())

    def _find(self, digest: str, call: Call) -> Blob:
        blob = self._backend.state[call.required_namespace()].content.get(digest)
        if blob is None:
            raise not_found(f"content digest {digest}")
        return blob


def _refuse_bad_digest(digest: str, text: str) -> None:
    if digest_error(digest):
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, text)


def _info(digest: str, blob: Blob) -> pb.Info:
    return pb.Info(
        digest=digest, size=blob.size, created_at=blob.created_at, updated_at=blob.updated_at, labels=blob.labels
    )


def _status(ref: str, ingest: Ingest) -> pb.Status:
    return pb.Status(
        started_at=ingest.started_at,
        updated_at=ingest.updated_at,
        ref=ref,
        offset=len(ingest.data),
        total=ingest.total,
    )


def _field(info: pb.Info, path: Sequence[str]) -> tuple[str, bool]:
    if path[0] == "digest":
        return info.digest, True
    return label_field(path[1:], info.labels) if path[0] == "labels" else ("", False)


def _status_field(status: pb.Status, path: Sequence[str]) -> tuple[str, bool]:
    return (status.ref, True) if path[0] == "ref" else ("", False)
