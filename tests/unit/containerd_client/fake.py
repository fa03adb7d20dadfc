"""A gRPC server that answers from a script, for what containerd itself cannot be made to do on cue."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from google.protobuf.message import Message

Answer = bytes | Message | grpc.StatusCode | tuple[grpc.StatusCode, str] | Callable[[bytes], Awaitable[Message]]


@dataclass
class FakeContainerd:
    """``script["containerd.services.version.v1.Version/Version"]`` is a list of answers; the last one stays."""

    address: str
    script: dict[str, list[Answer]] = field(default_factory=dict)
    requests: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    metadata: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    cancelled: list[str] = field(default_factory=list)
    streaming: set[str] = field(default_factory=set)
    server: grpc.aio.Server | None = None

    async def start(self) -> None:
        self.server = grpc.aio.server()
        self.server.add_generic_rpc_handlers((_Any(self),))
        self.server.add_insecure_port(f"unix:{self.address}")
        await self.server.start()

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop(None)
            self.server = None

    def calls(self, method: str) -> int:
        return len(self.requests[method])


class _Any(grpc.GenericRpcHandler):
    def __init__(self, fake: FakeContainerd) -> None:
        self._fake = fake

    def service(self, details):
        method = details.method.removeprefix("/")
        fake = self._fake

        async def answer(request: bytes, context) -> bytes:
            fake.requests[method].append(request)
            fake.metadata[method].append(dict(context.invocation_metadata()))
            answers = fake.script.get(method, [grpc.StatusCode.UNIMPLEMENTED])
            chosen = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(chosen, grpc.StatusCode):
                await context.abort(chosen, f"scripted {chosen.name}")
            if isinstance(chosen, tuple):
                await context.abort(*chosen)
            if isinstance(chosen, bytes):
                return chosen
            if isinstance(chosen, Message):
                return chosen.SerializeToString()
            assert callable(chosen)
            try:
                return (await chosen(request)).SerializeToString()
            except asyncio.CancelledError:
                fake.cancelled.append(method)
                raise

        async def unary(request: bytes, context) -> bytes:
            return await answer(request, context)

        async def stream(request: bytes, context):
            yield await answer(request, context)

        if method in fake.streaming:
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(unary)
