"""Measure a client's own share of every call: null calls (``Version``) by each client to each side.

A part of every time that a client measures is the client's own: making the call, waking up, reading the answer. One
client cannot tell how large this part is. Two different clients can: what one of them takes longer than the other for
the same null call is its own time, and it is part of every number that it measures.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.clients.client import Client
from cri_shim.bench.clients.grpc_caller import NAME, GrpcCaller
from cri_shim.bench.clients.line_caller import LineCaller
from cri_shim.bench.endpoint.rhythm import in_words
from cri_shim.bench.order import order_of_round
from cri_shim.bench.results.schema import NullCalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.endpoint.node import Node

_BLOCKS = 4
"""How many blocks each client makes with each side, in turns."""
_BACK_TO_BACK = 50
"""How many calls a block without pauses has."""
_SECONDS = 2.0
"""How many seconds the pauses of a block take in all, unless the fewest calls already take longer."""
_FEWEST, _MOST = 2, 20
"""How many calls a block with pauses has, at least and at most."""
_REQUEST = cri.VersionRequest().SerializeToString()


async def open_client(endpoint: str, command: str = "") -> Client:
    """Open the client that calls an endpoint: a program, or without ``command`` the one in this process.

    Raises :class:`line_process.ClientError`.
    """
    return Client(endpoint, await LineCaller.start(command, endpoint) if command else GrpcCaller(endpoint))


async def measure(nodes: Sequence[Node], periods: Sequence[float]) -> tuple[NullCalls, ...]:
    """Make null calls with each of ``periods`` as seconds of quiet before each, by each node's client and by our own.

    Clients and sides alternate, forwards and backwards.
    """
    measured: list[NullCalls] = []
    async with contextlib.AsyncExitStack() as stack:
        clients: dict[tuple[str, str], Client] = {}
        for node in nodes:
            clients[node.client.about.name, node.name] = node.client
            if node.client.about.name != NAME:
                own = await stack.enter_async_context(await open_client(node.client.endpoint))
                clients[NAME, node.name] = own
        for period in periods:
            samples: dict[tuple[str, str], list[float]] = {key: [] for key in clients}
            for number in range(_BLOCKS):
                for key in order_of_round(tuple(clients), number):
                    samples[key] += await _block(clients[key], period)
            measured += [NullCalls(name, side, in_words(period), each) for (name, side), each in samples.items()]
    return tuple(measured)


async def _block(client: Client, period: float) -> list[float]:
    """Make calls one after the other; the first, which may connect, does not count."""
    await client.timed("Version", _REQUEST)
    null_calls = []
    for _ in range(_calls(period)):
        if period:
            await asyncio.sleep(period)
        null_calls.append(round((await client.timed("Version", _REQUEST)).ms, 4))
    return null_calls


def _calls(period: float) -> int:
    return max(_FEWEST, min(_MOST, int(_SECONDS / period))) if period else _BACK_TO_BACK
