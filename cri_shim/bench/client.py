"""A CRI client for the endpoint of one side: RPCs by their names, messages in and out.

Requests are serialised before the clock starts and answers stay bytes until they are read, so that what is timed is the
endpoint and one call. The call itself, and the clock, are the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from cri_shim.bench.api_version import ApiVersion, negotiate

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from cri_shim.bench.caller import Answer, Caller

DEADLINE = 900.0

M = TypeVar("M", bound="Message")


class Client:
    """One endpoint, and what calls it."""

    def __init__(self, endpoint: str, caller: Caller) -> None:
        """Keep both; the first call connects and negotiates, which is why it is never one that counts."""
        self.endpoint = endpoint
        self._caller = caller
        self._version: ApiVersion | None = None

    async def __aenter__(self) -> Self:
        """Give the client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self._caller.close()

    async def version(self) -> ApiVersion:
        """The version of the CRI that the endpoint speaks. Raises as :func:`negotiate` does."""
        if self._version is None:
            self._version = await negotiate(self._caller)
        return self._version

    async def timed(self, rpc: str, request: bytes) -> Answer:
        """Call with a serialised request of v1. Raises :class:`grpc.aio.AioRpcError`."""
        version = self._version or await self.version()
        return await self._caller.call(version.path(rpc), version.request(rpc, request), DEADLINE)

    async def ask(self, rpc: str, request: Message, kind: type[M]) -> M:
        """Call without a clock, message to message. Raises :class:`grpc.aio.AioRpcError`."""
        return (await self.timed(rpc, request.SerializeToString())).read(kind)
