"""containerd.services.sandbox.v1 Store (1.7 and later): records of sandboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.sandbox.v1 import sandbox_pb2 as pb
from containerd_client.api.containerd.types import types_pb2
from containerd_client.call import Unary
from containerd_client.errors import NotFound

if TYPE_CHECKING:
    from containerd_client.channel import Connection

_SERVICE = "containerd.services.sandbox.v1.Store"


class Sandboxes:
    """Sandbox records, reached as ``client.sandboxes``; raises Unimplemented before 1.7."""

    def __init__(self, connection: Connection) -> None:
        self._create: Unary[pb.StoreCreateRequest, pb.StoreCreateResponse] = Unary(
            connection, f"{_SERVICE}/Create", pb.StoreCreateResponse.FromString, check=self._check_created
        )
        self._update: Unary[pb.StoreUpdateRequest, pb.StoreUpdateResponse] = Unary(
            connection, f"{_SERVICE}/Update", pb.StoreUpdateResponse.FromString
        )
        self._delete: Unary[pb.StoreDeleteRequest, pb.StoreDeleteResponse] = Unary(
            connection, f"{_SERVICE}/Delete", pb.StoreDeleteResponse.FromString
        )
        self._list: Unary[pb.StoreListRequest, pb.StoreListResponse] = Unary(
            connection, f"{_SERVICE}/List", pb.StoreListResponse.FromString
        )
        self._get: Unary[pb.StoreGetRequest, pb.StoreGetResponse] = Unary(
            connection, f"{_SERVICE}/Get", pb.StoreGetResponse.FromString
        )

    async def create(self, sandbox: types_pb2.Sandbox) -> types_pb2.Sandbox:
        """Store a sandbox; raises AlreadyExists."""
        return (await self._create(pb.StoreCreateRequest(sandbox=with_runtime(sandbox)))).sandbox

    async def update(self, sandbox: types_pb2.Sandbox, *fieldpaths: str) -> types_pb2.Sandbox:
        """Change the fields at ``fieldpaths`` (``labels``, ``extensions``, ``spec``, ``runtime``); raises NotFound."""
        request = pb.StoreUpdateRequest(sandbox=with_runtime(sandbox), fields=fieldpaths)
        return (await self._update(request)).sandbox

    async def delete(self, sandbox_id: str) -> None:
        """Remove the record; raises NotFound."""
        await self._delete(pb.StoreDeleteRequest(sandbox_id=sandbox_id))

    async def list(self, *filters: str) -> list[types_pb2.Sandbox]:
        """Return the sandboxes that match any of ``filters``, or all if there are none."""
        return list((await self._list(pb.StoreListRequest(filters=filters))).list)

    async def get(self, sandbox_id: str) -> types_pb2.Sandbox:
        """Return one sandbox; raises NotFound."""
        return (await self._get(pb.StoreGetRequest(sandbox_id=sandbox_id))).sandbox

    async def _check_created(self, request: pb.StoreCreateRequest) -> pb.StoreCreateResponse | None:
        wanted = request.sandbox
        try:
            existing = await self.get(wanted.sandbox_id)
        except NotFound:
            return None
        ours = existing.labels == wanted.labels and existing.spec == wanted.spec and existing.runtime == wanted.runtime
        return pb.StoreCreateResponse(sandbox=existing) if ours else None


def with_runtime(sandbox: types_pb2.Sandbox) -> types_pb2.Sandbox:
    """Return the sandbox with a runtime message, if only an empty one: without it containerd 1.7.24 and 2.1.9 crash."""
    if sandbox.HasField("runtime"):
        return sandbox
    whole = types_pb2.Sandbox()
    whole.CopyFrom(sandbox)
    whole.runtime.SetInParent()
    return whole
