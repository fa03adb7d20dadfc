"""containerd.services.transfer.v1 (1.7 and later): move images between registries, the image store and streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.transfer.v1 import transfer_pb2 as pb
from containerd_client.call import Unary

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any

    from containerd_client.channel import Connection


class Transfer:
    """The transfer service, reached as ``client.transfer``; raises Unimplemented before 1.7."""

    def __init__(self, connection: Connection) -> None:
        self._transfer: Unary[pb.TransferRequest, Empty] = Unary(
            connection, "containerd.services.transfer.v1.Transfer/Transfer", Empty.FromString
        )

    async def transfer(self, source: Any, destination: Any, options: pb.TransferOptions | None = None) -> None:
        """Transfer ``source`` to ``destination``; both are messages of ``containerd.types.transfer`` in an Any."""
        await self._transfer(pb.TransferRequest(source=source, destination=destination, options=options))
