"""containerd.services.leases.v1 of the fake."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import grpc
from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.leases.v1 import leases_pb2 as pb
from tests.fakes.containerd.filters import Filters, label_field
from tests.fakes.containerd.identifiers import digest_error
from tests.fakes.containerd.refusals import already_exists, bare, invalid_argument, not_found
from tests.fakes.containerd.state import Lease, Space
from tests.fakes.containerd.updates import without_empty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call


def lease_of(space: Space, call: Call) -> Lease | None:
    """Return the lease that a call is made under; refuse one that names a lease that is not there."""
    if not call.lease:
        return None
    lease = space.leases.get(call.lease)
    if lease is None:
        raise not_found("lease does not exist")
    return lease


class Leases:
    """Leases and what they hold."""

    descriptor = pb.DESCRIPTOR.services_by_name["Leases"]

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def create(self, request: pb.CreateRequest, call: Call) -> pb.CreateResponse:
        """Make a lease."""
        space = self._backend.state.writable(call.required_namespace())
        name = request.id or secrets.token_hex(8)
        if name in space.leases:
            raise already_exists(f'lease "{name}"')
        space.leases[name] = Lease(without_empty(request.labels))
        return pb.CreateResponse(lease=_described(name, space.leases[name]))

    async def delete(self, request: pb.DeleteRequest, call: Call) -> Empty:
        """Drop a lease; with ``sync`` what only it held is gone before the answer."""
        self._find(request.id, call)
        del self._backend.state[call.namespace].leases[request.id]
        self._backend.removed_something()
        if request.sync:
            self._backend.collect_garbage()
        return Empty()

    async def list(self, request: pb.ListRequest, call: Call) -> pb.ListResponse:
        """Return leases."""
        namespace = call.required_namespace()
        filters = Filters(request.filters, said_twice=True)
        leases = self._backend.state[namespace].leases
        described = (_described(name, lease) for name, lease in sorted(leases.items()))
        return pb.ListResponse(leases=filters.select(described, _field))

    async def add_resource(self, request: pb.AddResourceRequest, call: Call) -> Empty:
        """Put a thing under a lease, whether it exists or not."""
        lease = self._find(request.id, call)
        _validate(request.resource)
        lease.add(request.resource.type, request.resource.id)
        return Empty()

    async def delete_resource(self, request: pb.DeleteResourceRequest, call: Call) -> Empty:
        """Take a thing out of a lease."""
        lease = self._find(request.id, call)
        _validate(request.resource)
        lease.discard(request.resource.type, request.resource.id)
        self._backend.removed_something()
        return Empty()

    async def list_resources(self, request: pb.ListResourcesRequest, call: Call) -> pb.ListResourcesResponse:
        """Return what a lease holds: content, then ingests, then snapshots."""
        lease = self._find(request.id, call)
        return pb.ListResourcesResponse(
            resources=[
                pb.Resource(id=key, type=kind)
                for kind in sorted(lease.resources)
                for key in sorted(lease.resources[kind])
            ]
        )

    def _find(self, name: str, call: Call) -> Lease:
        lease = self._backend.state[call.required_namespace()].leases.get(name)
        if lease is None:
            raise not_found(f'lease "{name}"')
        return lease


def _described(name: str, lease: Lease) -> pb.Lease:
    return pb.Lease(id=name, created_at=lease.created_at, labels=lease.labels)


def _field(lease: pb.Lease, path: Sequence[str]) -> tuple[str, bool]:
    if path[0] == "id":
        return lease.id, True
    return label_field(path[1:], lease.labels) if path[0] == "labels" else ("", False)


def _validate(resource: pb.Resource) -> None:
    kind, _, rest = resource.type.partition("/")
    if kind not in ("content", "ingests", "snapshots") or (rest and kind != "snapshots"):
        text = f"resource type {resource.type} not supported yet: not implemented"
        raise bare(grpc.StatusCode.UNIMPLEMENTED, text)
    if kind == "snapshots" and not rest:
        raise invalid_argument(f"invalid snapshot resource type {resource.type}")
    wrong = digest_error(resource.id) if kind == "content" else ""
    if wrong:
        raise invalid_argument(f"invalid content resource id {resource.id}: {wrong}")
