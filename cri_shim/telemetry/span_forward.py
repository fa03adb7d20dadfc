"""Forward containerd's exports to the collector, through a short queue and over a connection that may fail.

An export that the collector does not accept is dropped, and logged once until it accepts one again: traces are not
worth holding memory or sending twice.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cri_shim.telemetry.tracing import Tracing

WAITING = 64
"""Exports that may wait; beyond that the oldest is dropped."""
WAITING_BYTES = 16 << 20
"""Bytes of exports that may wait."""
SECONDS = 10.0
"""Seconds that a collector may take to answer, as in OpenTelemetry's exporters."""
_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

log = structlog.get_logger(__name__)


class SpanForward:
    """Hands exports on, one after the other."""

    def __init__(self, tracing: Tracing) -> None:
        self._endpoint = tracing.endpoint
        self._headers = tracing.headers(os.environ)
        self._serve = self._over_grpc if tracing.grpc else self._over_http
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._waiting_bytes = 0
        self._complained = False

    def put(self, export: bytes) -> None:
        """Queue one export."""
        self._queue.put_nowait(export)
        self._waiting_bytes += len(export)
        while self._queue.qsize() > WAITING or self._waiting_bytes > WAITING_BYTES:
            self._waiting_bytes -= len(self._queue.get_nowait())

    async def run(self) -> None:
        """Hand exports on for ever."""
        await self._serve()

    async def _over_http(self) -> None:
        import aiohttp  # noqa: PLC0415 - 12 MiB that only this needs

        headers = {"Content-Type": "application/x-protobuf", **self._headers}
        # A context of its own, as the library's trusts no authority after the first pull.
        tls = await asyncio.to_thread(ssl.create_default_context) if self._endpoint.startswith("https:") else True
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=SECONDS)) as session:

            async def send(export: bytes) -> str:
                try:
                    # The headers, usually a login, are for the collector and no other server.
                    async with session.post(self._endpoint, data=export, allow_redirects=False, ssl=tls) as response:
                        return "" if response.status < 300 else f"it answers {response.status}"
                except aiohttp.ClientConnectorError as error:
                    # The library's own text speaks of "ssl:default", for a collector on plain HTTP too.
                    number = error.errno or 0
                    why = os.strerror(number).lower() if number > 0 else error.strerror or type(error.os_error).__name__
                    return f"it cannot be reached: {why}"
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    return str(error) or type(error).__name__

            await self._each(send)

    async def _over_grpc(self) -> None:
        import grpc.aio  # noqa: PLC0415 - beside its sibling above

        parts = urlsplit(self._endpoint)
        target = parts.netloc if parts.port else f"{parts.netloc}:4317"
        make = grpc.aio.insecure_channel
        channel = (
            make(target) if parts.scheme == "http" else grpc.aio.secure_channel(target, grpc.ssl_channel_credentials())
        )
        async with channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_METHOD)

            async def send(export: bytes) -> str:
                try:
                    await call(export, timeout=SECONDS, metadata=tuple(self._headers.items()))
                except grpc.aio.AioRpcError as error:
                    return f"{error.code().name}: {error.details()}"
                return ""

            await self._each(send)

    async def _each(self, send: Callable[[bytes], Awaitable[str]]) -> None:
        while True:
            export = await self._queue.get()
            self._waiting_bytes -= len(export)
            failure = await send(export)
            if failure and not self._complained:
                log.warning("tracing.not_forwarded", endpoint=self._endpoint, error=failure)
            self._complained = bool(failure)
