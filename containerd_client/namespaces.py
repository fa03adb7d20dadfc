"""containerd.services.namespaces.v1: namespaces separate the clients of one containerd from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.namespaces.v1 import namespaces_pb2 as pb
from containerd_client.call import Unary
from containerd_client.encoding.field_mask import field_mask
from containerd_client.errors import AlreadyExists, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from containerd_client.channel import Connection

_SERVICE = "containerd.services.namespaces.v1.Namespaces"


class Namespaces:
    """The namespaces service, reached as ``client.namespaces``."""

    def __init__(self, connection: Connection) -> None:
        self._get: Unary[pb.GetNamespaceRequest, pb.GetNamespaceResponse] = Unary(
            connection, f"{_SERVICE}/Get", pb.GetNamespaceResponse.FromString
        )
        self._list: Unary[pb.ListNamespacesRequest, pb.ListNamespacesResponse] = Unary(
            connection, f"{_SERVICE}/List", pb.ListNamespacesResponse.FromString
        )
        self._create: Unary[pb.CreateNamespaceRequest, pb.CreateNamespaceResponse] = Unary(
            connection, f"{_SERVICE}/Create", pb.CreateNamespaceResponse.FromString, check=self._check_created
        )
        self._update: Unary[pb.UpdateNamespaceRequest, pb.UpdateNamespaceResponse] = Unary(
            connection, f"{_SERVICE}/Update", pb.UpdateNamespaceResponse.FromString
        )
        self._delete: Unary[pb.DeleteNamespaceRequest, Empty] = Unary(
            connection, f"{_SERVICE}/Delete", Empty.FromString
        )

    async def create(self, name: str, labels: Mapping[str, str] | None = None) -> pb.Namespace:
        """Create a namespace; raises AlreadyExists, or InvalidArgument for a malformed name."""
        request = pb.CreateNamespaceRequest(namespace=pb.Namespace(name=name, labels=labels))
        return (await self._create(request)).namespace

    async def get(self, name: str) -> pb.Namespace:
        """Return one namespace with its labels; raises NotFound."""
        return (await self._get(pb.GetNamespaceRequest(name=name))).namespace

    async def list(self) -> list[pb.Namespace]:
        """Return all namespaces."""
        return list((await self._list(pb.ListNamespacesRequest())).namespaces)

    async def update(self, namespace: pb.Namespace, *fieldpaths: str) -> pb.Namespace:
        """Change labels (``labels`` or ``labels.key``); raises NotFound."""
        request = pb.UpdateNamespaceRequest(namespace=namespace, update_mask=field_mask(fieldpaths))
        return (await self._update(request)).namespace

    async def delete(self, name: str) -> None:
        """Remove an empty namespace; raises NotFound, or FailedPrecondition if it is not empty."""
        await self._delete(pb.DeleteNamespaceRequest(name=name))

    async def ensure(self, name: str) -> pb.Namespace:
        """Return the namespace, after creating it if it did not exist."""
        try:
            return await self.get(name)
        except NotFound:
            pass
        try:
            return await self.create(name)
        except AlreadyExists:
            return await self.get(name)

    async def _check_created(self, request: pb.CreateNamespaceRequest) -> pb.CreateNamespaceResponse | None:
        try:
            existing = await self.get(request.namespace.name)
        except NotFound:
            return None
        return pb.CreateNamespaceResponse(namespace=existing) if existing == request.namespace else None
