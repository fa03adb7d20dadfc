"""containerd.services.version.v1: the daemon's version. It is also the null call by which transport is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.version.v1 import version_pb2 as pb
from containerd_client.call import Unary

if TYPE_CHECKING:
    from containerd_client.channel import Connection

_EMPTY: Final = Empty()


class Version:
    """The version service, reached as ``client.version``."""

    def __init__(self, connection: Connection) -> None:
        self._version: Unary[Empty, pb.VersionResponse] = Unary(
            connection, "containerd.services.version.v1.Version/Version", pb.VersionResponse.FromString
        )

    async def get(self, message: Empty = _EMPTY) -> pb.VersionResponse:
        """Return version and revision of the daemon; unknown fields in ``message`` show what transferred bytes cost."""
        return await self._version(message)
