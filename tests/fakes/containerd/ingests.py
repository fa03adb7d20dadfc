"""One writer of one ingest: STAT, WRITE at an offset, COMMIT, as containerd's content server has them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING

import grpc

from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.services.content.v1 import content_pb2 as pb
from tests.fakes.containerd.identifiers import validate_labels
from tests.fakes.containerd.leases import lease_of
from tests.fakes.containerd.refusals import already_exists, bare, failed_precondition, unavailable
from tests.fakes.containerd.state import Blob, Ingest, now
from tests.fakes.containerd.updates import without_empty

if TYPE_CHECKING:
    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call
    from tests.fakes.containerd.state import Space

DAY_SECONDS = 86400
LOCK_ATTEMPTS = 10
LOCK_SECONDS = 0.01
"""containerd too tries some times to get a ref that another writer holds, before it refuses."""


async def open_writer(backend: Backend, request: pb.WriteContentRequest, call: Call) -> Writer:
    """Open or resume the ingest that the first message names."""
    space = backend.state.writable(call.required_namespace())
    lease = lease_of(space, call) if request.expected in space.content else None
    if request.expected and request.expected in space.content:
        if lease is not None:
            lease.add("content", request.expected)
        raise already_exists(f"content {request.expected}")
    lease = lease_of(space, call)
    ingest = space.ingests.setdefault(request.ref, Ingest())
    if lease is not None:
        lease.add("ingests", request.ref)
    else:
        ingest.expires = time.time() + DAY_SECONDS
    await _lock(ingest, request.ref, call.namespace)
    ingest.total = ingest.total or request.total
    _share(backend, ingest, request)
    return Writer(backend, space, request.ref, ingest, call)


async def _lock(ingest: Ingest, ref: str, namespace: str) -> None:
    for _ in range(LOCK_ATTEMPTS):
        if ingest.held_since is None:
            break
        await asyncio.sleep(LOCK_SECONDS)
    if ingest.held_since is not None:
        seconds = time.monotonic() - ingest.held_since
        since = time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(time.time() - seconds))
        raise unavailable(f"ref {namespace}/1/{ref} locked for {seconds:.9f}s (since {since})")
    ingest.held_since = time.monotonic()


def _share(backend: Backend, ingest: Ingest, request: pb.WriteContentRequest) -> None:
    """Take the bytes of a blob that another namespace has: nothing needs to be written then."""
    data = backend.state.bytes_of.get(request.expected)
    if data is not None and request.total in (0, len(data)) and not ingest.data:
        ingest.data = bytearray(data)
        ingest.total = len(data)
        ingest.expected = request.expected


class Writer:
    """Holds an ingest until it is closed."""

    def __init__(self, backend: Backend, space: Space, ref: str, ingest: Ingest, call: Call) -> None:
        self._backend = backend
        self._space = space
        self._ref = ref
        self._ingest = ingest
        self._call = call
        self._total = 0
        self._expected = ""

    def answer(self, request: pb.WriteContentRequest) -> pb.WriteContentResponse:
        """Do what one message asks for."""
        ingest = self._ingest
        offset = len(ingest.data)
        self._note_expectations(request)
        response = pb.WriteContentResponse(action=request.action, offset=offset)
        if request.action == pb.STAT:
            response.started_at.CopyFrom(ingest.started_at)
            response.updated_at.CopyFrom(ingest.updated_at)
            response.total = self._total
        else:
            if request.offset > 0 and request.offset != offset:
                text = f"write @{request.offset} must occur at current offset {offset}"
                raise bare(grpc.StatusCode.OUT_OF_RANGE, text)
            if request.offset == 0 and offset > 0:
                ingest.data.clear()
            ingest.data += request.data
            ingest.updated_at = now()
            response.offset = len(ingest.data)
            if request.action == pb.COMMIT:
                self._commit(request)
        response.digest = _digest(ingest.data)
        return response

    def close(self) -> None:
        """Let another writer have the ingest, which keeps its bytes."""
        self._ingest.held_since = None

    def _note_expectations(self, request: pb.WriteContentRequest) -> None:
        if request.expected:
            self._expected = request.expected
            if request.expected in self._space.content:
                self.close()
                self._space.ingests.pop(self._ref, None)
                text = f"blob with expected digest {request.expected} exists"
                raise bare(grpc.StatusCode.ALREADY_EXISTS, text)
        if request.total > 0:
            self._total = request.total

    def _commit(self, request: pb.WriteContentRequest) -> None:
        data = bytes(self._ingest.data)
        validate_labels(request.labels, "info.Labels", self._backend.version)
        if self._total and self._total != len(data):
            text = f'"{self._ref}" failed size validation: {len(data)} != {self._total}'
            raise failed_precondition(text)
        digest = _digest(data)
        if self._expected and self._expected != digest:
            raise failed_precondition(f"unexpected commit digest {digest}, expected {self._expected}")
        lease = lease_of(self._space, self._call)
        self._space.ingests.pop(self._ref, None)
        if lease is not None:
            lease.discard("ingests", self._ref)
            lease.add("content", digest)
        if digest in self._space.content:
            raise already_exists(f"content {digest}")
        self._backend.state.bytes_of[digest] = data
        self._space.content[digest] = Blob(len(data), without_empty(request.labels))
        if self._backend.version >= (2, 0):
            event = events_pb2.ContentCreate(digest=digest, size=len(data))
            self._backend.bus.publish(self._call.namespace, "/content/create", event)


def _digest(data: bytes | bytearray) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
