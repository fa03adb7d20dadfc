"""Make calls that do nothing, to measure the way from the client to a side and back, and little else.

A side that reports no bill has a front hop as well. What a call costs depends on the quiet before it, so these calls
come after as much quiet as the calls that they are compared with.
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
    """Make the calls of one run, each ``period`` seconds after the last; the first follows one without a clock."""
    await node.call(Samples(), RPC, _REQUEST)
    for _ in range(REPEATS):
        if period:
            await asyncio.sleep(period)
        await node.call(samples, RPC, _REQUEST)
