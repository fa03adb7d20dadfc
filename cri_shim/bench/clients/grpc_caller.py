"""Make the calls of the Python client: one grpc.aio channel in this process, as cheap as Python can be.

The clock starts just before grpc.aio is called and stops when the bytes of the answer have arrived. The channel options
are those of the kubelet where they matter.
"""

from __future__ import annotations

import platform
import time
from typing import TYPE_CHECKING

import grpc

from cri_shim.bench.clients.caller import Answer, bill_of, sent_now
from cri_shim.bench.results.schema import CallingClient

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_MESSAGE = 16 * 1024 * 1024
_OPTIONS = (
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", _MAX_MESSAGE),
    ("grpc.max_send_message_length", _MAX_MESSAGE),
    ("grpc.use_local_subchannel_pool", 1),
)


NAME = "in-process Python"


class GrpcCaller:
    """One channel to one endpoint."""

    pid = None
    about = CallingClient(NAME, f"{platform.python_version()}, grpcio {grpc.__version__}")

    def __init__(self, endpoint: str) -> None:
        """Open lazily: the first call connects, which is why the first call is never one that counts."""
        self._channel = grpc.aio.insecure_channel(endpoint, options=_OPTIONS)
        self._methods: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}

    async def call(
        self, path: str, request: bytes, deadline: float, metadata: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """Call a method, with additional metadata. Raises :class:`grpc.aio.AioRpcError`."""
        method = self._methods.get(path)
        if method is None:
            method = self._methods[path] = self._channel.unary_unary(path)
        started = time.perf_counter()
        running = method(request, timeout=deadline, metadata=(*metadata, sent_now()))
        content = await running
        ms = (time.perf_counter() - started) * 1000
        return Answer(content, ms, bill_of(await running.trailing_metadata() or ()))

    async def close(self) -> None:
        """Close the channel; calls that are in flight are cancelled."""
        await self._channel.close()
