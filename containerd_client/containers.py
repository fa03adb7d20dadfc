"""containerd.services.containers.v1: records of containers (labels, spec, snapshot, extensions), not processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.containers.v1 import containers_pb2 as pb
from containerd_client.call import Unary
from containerd_client.encoding.field_mask import field_mask
from containerd_client.errors import NotFound, Unimplemented
from containerd_client.stream import ServerStream

if TYPE_CHECKING:
    from containerd_client.channel import Connection

_SERVICE = "containerd.services.containers.v1.Containers"


class Containers:
    """Container records, reached as ``client.containers``.

    Filters are in containerd's syntax, for example ``labels."io.cri-containerd.kind"==sandbox``.
    """

    def __init__(self, connection: Connection) -> None:
        self._get: Unary[pb.GetContainerRequest, pb.GetContainerResponse] = Unary(
            connection, f"{_SERVICE}/Get", pb.GetContainerResponse.FromString
        )
        self._list: Unary[pb.ListContainersRequest, pb.ListContainersResponse] = Unary(
            connection, f"{_SERVICE}/List", pb.ListContainersResponse.FromString
        )
        self._list_stream: ServerStream[pb.ListContainersRequest, pb.ListContainerMessage] = ServerStream(
            connection, f"{_SERVICE}/ListStream", pb.ListContainerMessage.FromString
        )
        self._create: Unary[pb.CreateContainerRequest, pb.CreateContainerResponse] = Unary(
            connection, f"{_SERVICE}/Create", pb.CreateContainerResponse.FromString, check=self._check_created
        )
        self._update: Unary[pb.UpdateContainerRequest, pb.UpdateContainerResponse] = Unary(
            connection, f"{_SERVICE}/Update", pb.UpdateContainerResponse.FromString
        )
        self._delete: Unary[pb.DeleteContainerRequest, Empty] = Unary(
            connection, f"{_SERVICE}/Delete", Empty.FromString
        )

    async def get(self, container_id: str) -> pb.Container:
        """Return one container; raises NotFound."""
        return (await self._get(pb.GetContainerRequest(id=container_id))).container

    async def list(self, *filters: str) -> list[pb.Container]:
        """Return the containers that match any of ``filters``, or all if there are none.

        containerd sends them one by one, so the size limit of a message does not apply.
        """
        request = pb.ListContainersRequest(filters=filters)
        try:
            return [message.container for message in await self._list_stream.collect(request)]
        except Unimplemented:
            return list((await self._list(request)).containers)

    async def create(self, container: pb.Container) -> pb.Container:
        """Store a container and return it with its timestamps; raises AlreadyExists, InvalidArgument."""
        return (await self._create(pb.CreateContainerRequest(container=container))).container

    async def update(self, container: pb.Container, *fieldpaths: str) -> pb.Container:
        """Change the fields at ``fieldpaths`` (``labels``, ``labels.key``, ``extensions.name``, …); raises NotFound."""
        request = pb.UpdateContainerRequest(container=container, update_mask=field_mask(fieldpaths))
        return (await self._update(request)).container

    async def delete(self, container_id: str) -> None:
        """Remove the record; raises NotFound."""
        await self._delete(pb.DeleteContainerRequest(id=container_id))

    async def _check_created(self, request: pb.CreateContainerRequest) -> pb.CreateContainerResponse | None:
        try:
            existing = await self.get(request.container.id)
        except NotFound:
            return None
        ours = _without_times(existing) == _without_times(request.container)
        return pb.CreateContainerResponse(container=existing) if ours else None


def _without_times(container: pb.Container) -> pb.Container:
    plain = pb.Container()
    plain.CopyFrom(container)
    plain.ClearField("created_at")
    plain.ClearField("updated_at")
    return plain
