"""A small CRI v1 client: every RPC of both services by its name, as ``await client.RunPodSandbox(config=…)``.

Keyword arguments become the request message, and the call returns the response message. A failed call raises
:class:`grpc.aio.AioRpcError`; :func:`failure` returns its code and text.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self

import grpc
from google.protobuf.message_factory import GetMessageClass

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.patience import patient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SERVICES = cri.DESCRIPTOR.services_by_name
MAX_MESSAGE = 16 * 1024 * 1024
OPTIONS = (
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    # Tests stop and start daemons on one socket: reconnect quickly, and share no connection with another client.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
    # Despite its name, this is how long one attempt to connect may take, from connect(2) to the first frame.
    ("grpc.min_reconnect_backoff_ms", round(1000 * patient(5))),
    ("grpc.use_local_subchannel_pool", 1),
)
# Longer than any wait of a test; a test of deadlines passes its own.
DEADLINE = patient(60)
RECONNECT = patient(2)


class CriClient:
    """One channel to one endpoint (``unix:///path`` or a path)."""

    def __init__(self, endpoint: str, *, deadline: float = DEADLINE) -> None:
        """Open lazily: the first call connects."""
        self.endpoint = endpoint
        self.deadline = deadline
        target = endpoint if "://" in endpoint else f"unix://{endpoint}"
        self._channel = grpc.aio.insecure_channel(target, options=OPTIONS)
        self._calls: dict[str, Any] = {}
        self._streams: dict[str, Callable[..., Any]] = {}
        for service in SERVICES.values():
            for method in service.methods:
                if method.server_streaming:
                    self._streams[method.name] = self._bind_stream(service.full_name, method)
                else:
                    self._calls[method.name] = self._bind(service.full_name, method)

    def _bind(self, service: str, method: Any) -> Callable[..., Awaitable[Any]]:
        request_class = GetMessageClass(method.input_type)
        call = self._channel.unary_unary(
            f"/{service}/{method.name}",
            request_serializer=request_class.SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )

        async def invoke(*, _deadline: float | None = None, **fields: Any) -> Any:
            if self._channel.get_state() == grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                # The daemon was restarted, and the channel has not noticed yet that it is back.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._channel.channel_ready(), RECONNECT)
            return await call(request_class(**fields), timeout=_deadline or self.deadline)

        return invoke

    def _bind_stream(self, service: str, method: Any) -> Callable[..., Any]:
        request_class = GetMessageClass(method.input_type)
        call = self._channel.unary_stream(
            f"/{service}/{method.name}",
            request_serializer=request_class.SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        return lambda **fields: call(request_class(**fields))

    def stream(self, name: str, **fields: Any) -> Any:
        """Begin a streaming RPC; return the call, whose responses are read with ``async for``."""
        return self._streams[name](**fields)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return the call of an RPC."""
        if name.startswith("_") or name not in self._calls:
            raise AttributeError(name)
        bound: Callable[..., Awaitable[Any]] = self._calls[name]
        return bound

    async def __aenter__(self) -> Self:
        """Give the client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the channel."""
        await self.close()

    async def close(self) -> None:
        """Close the channel and cancel what is in flight on it."""
        await self._channel.close()


async def failure(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str]:
    """Return code and text of a call that must fail; raises :class:`AssertionError` with the response otherwise."""
    try:
        response = await call
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details() or ""
    raise AssertionError(f"the call was to fail and answered {response}")
