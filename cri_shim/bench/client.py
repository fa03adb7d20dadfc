"""A CRI client for the endpoint of one side: RPCs by their names, messages in and out.

Requests are serialised before the clock starts and answers stay bytes until they are read, so that what is timed is the
endpoint and one call. The call itself, and the clock, are the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from cri_shim.bench.caller import Answer, Caller

_SERVICE_OF = {
    method.name: service.full_name for service in cri.DESCRIPTOR.services_by_name.values() for method in service.methods
}
DEADLINE = 900.0

M = TypeVar("M", bound="Message")


class Client:
    """One endpoint, and what calls it."""

    def __init__(self, endpoint: str, caller: Caller) -> None:
        """Keep both; the first call connects, which is why the first call is never one that counts."""
        self.endpoint = endpoint
        self._caller = caller

    async def __aenter__(self) -> Self:
        """Give the client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self._caller.close()

    async def timed(self, rpc: str, request: bytes) -> Answer:
        """Call with a serialised request. Raises :class:`grpc.aio.AioRpcError`."""
        return await self._caller.call(f"/{_SERVICE_OF[rpc]}/{rpc}", request, DEADLINE)

    async def ask(self, rpc: str, request: Message, kind: type[M]) -> M:
        """Call without a clock, message to message. Raises :class:`grpc.aio.AioRpcError`."""
        return (await self.timed(rpc, request.SerializeToString())).read(kind)
