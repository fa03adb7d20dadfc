"""containerd.services.mounts.v1 (2.2 and later): mounts that containerd makes and keeps for its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.mounts.v1 import mounts_pb2 as pb
from containerd_client.call import Unary
from containerd_client.encoding.field_mask import field_mask
from containerd_client.errors import NotFound
from containerd_client.stream import ServerStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from containerd_client.api.containerd.types import types_pb2
    from containerd_client.channel import Connection

_SERVICE = "containerd.services.mounts.v1.Mounts"


class Mounts:
    """The mounts service, reached as ``client.mounts``; raises Unimplemented before 2.2."""

    def __init__(self, connection: Connection) -> None:
        self._activate: Unary[pb.ActivateRequest, pb.ActivateResponse] = Unary(
            connection, f"{_SERVICE}/Activate", pb.ActivateResponse.FromString, check=self._check_active
        )
        self._deactivate: Unary[pb.DeactivateRequest, Empty] = Unary(
            connection, f"{_SERVICE}/Deactivate", Empty.FromString
        )
        self._info: Unary[pb.InfoRequest, pb.InfoResponse] = Unary(
            connection, f"{_SERVICE}/Info", pb.InfoResponse.FromString
        )
        self._update: Unary[pb.UpdateRequest, pb.UpdateResponse] = Unary(
            connection, f"{_SERVICE}/Update", pb.UpdateResponse.FromString
        )
        self._list: ServerStream[pb.ListRequest, pb.ListMessage] = ServerStream(
            connection, f"{_SERVICE}/List", pb.ListMessage.FromString
        )

    async def activate(
        self,
        name: str,
        mounts: Iterable[types_pb2.Mount],
        *,
        labels: Mapping[str, str] | None = None,
        temporary: bool = False,
    ) -> types_pb2.ActivationInfo:
        """Activate ``mounts`` under ``name``; the result lists in ``system`` what the client still has to mount."""
        request = pb.ActivateRequest(name=name, mounts=mounts, labels=labels, temporary=temporary)
        return (await self._activate(request)).info

    async def deactivate(self, name: str) -> None:
        """Undo an activation; raises NotFound."""
        await self._deactivate(pb.DeactivateRequest(name=name))

    async def info(self, name: str) -> types_pb2.ActivationInfo:
        """Return one activation; raises NotFound."""
        return (await self._info(pb.InfoRequest(name=name))).info

    async def update(self, info: types_pb2.ActivationInfo, *fieldpaths: str) -> types_pb2.ActivationInfo:
        """Change labels; raises NotFound."""
        return (await self._update(pb.UpdateRequest(info=info, update_mask=field_mask(fieldpaths)))).info

    async def list(self, *filters: str) -> list[types_pb2.ActivationInfo]:
        """Return the activations that match any of ``filters``, or all if there are none."""
        return [message.info for message in await self._list.collect(pb.ListRequest(filters=filters))]

    async def _check_active(self, request: pb.ActivateRequest) -> pb.ActivateResponse | None:
        try:
            active = await self.info(request.name)
        except NotFound:
            return None
        return pb.ActivateResponse(info=active) if active.labels == request.labels else None
