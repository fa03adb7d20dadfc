"""A CRI client that costs as little as a Python client can, and the same for every endpoint.

Requests are serialised before the clock starts and answers stay bytes until somebody wants to read them, so that what
is timed is the endpoint and one grpc.aio call. The channel options are those of the kubelet where they matter.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.hops.bill_text import KEY

if TYPE_CHECKING:
    from google.protobuf.message import Message

_MAX_MESSAGE = 16 * 1024 * 1024
_OPTIONS = (
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", _MAX_MESSAGE),
    ("grpc.max_send_message_length", _MAX_MESSAGE),
    ("grpc.use_local_subchannel_pool", 1),
)
_SERVICE_OF = {
    method.name: service.full_name for service in cri.DESCRIPTOR.services_by_name.values() for method in service.methods
}
DEADLINE = 900.0

M = TypeVar("M", bound="Message")


class Answer:
    """What came back: bytes, how long it took (ms), and the bill if the endpoint wrote one."""

    __slots__ = ("bill", "content", "ms")

    def __init__(self, content: bytes, ms: float, bill: str) -> None:
        """Keep the three."""
        self.content = content
        self.ms = ms
        self.bill = bill

    def read(self, kind: type[M]) -> M:
        """The answer as a message."""
        return kind.FromString(self.content)


class Client:
    """One connection to one endpoint."""

    def __init__(self, endpoint: str) -> None:
        """Open lazily: the first call connects, which is why the first call is never one that counts."""
        self.endpoint = endpoint
        self._channel = grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        self._calls: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}

    async def __aenter__(self) -> Self:
        """Give the client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self._channel.close()

    async def timed(self, rpc: str, request: bytes) -> Answer:
        """Call with a serialised request. Raises :class:`grpc.aio.AioRpcError`."""
        call = self._calls.get(rpc)
        if call is None:
            call = self._calls[rpc] = self._channel.unary_unary(f"/{_SERVICE_OF[rpc]}/{rpc}")
        started = time.perf_counter()
        running = call(request, timeout=DEADLINE)
        content = await running
        ms = (time.perf_counter() - started) * 1000
        return Answer(content, ms, _bill(await running.trailing_metadata()))

    async def ask(self, rpc: str, request: Message, kind: type[M]) -> M:
        """Call without a clock, message to message. Raises :class:`grpc.aio.AioRpcError`."""
        return (await self.timed(rpc, request.SerializeToString())).read(kind)


def _bill(metadata: Any) -> str:
    for key, value in metadata or ():
        if key == KEY:
            return str(value)
    return ""
