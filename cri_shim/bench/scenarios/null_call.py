"""A call that does nothing: what the way from the client to a side and back takes, and little else.

A side that says nothing of itself has a front hop as well. What a call costs depends on the quiet before it, so these
calls come after as much quiet as the calls that they are held against.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.node import Samples
from cri_shim.bench.endpoint.rhythm import BACK_TO_BACK

if TYPE_CHECKING:
    from cri_shim.bench.endpoint.node import Node

RPC = "Version"
REPEATS = 3

_REQUEST = cri.VersionRequest().SerializeToString()


async def make(node: Node, samples: Samples, period: float = BACK_TO_BACK) -> None:
    """Make the calls of one turn, each so many seconds after the one before; the first follows one without a clock."""
    await node.call(Samples(), RPC, _REQUEST)
    for _ in range(REPEATS):
        if period:
            await asyncio.sleep(period)
        await node.call(samples, RPC, _REQUEST)
