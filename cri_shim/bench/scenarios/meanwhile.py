"""Measure how long other requests wait: ListPodSandbox, repeatedly, while something heavy goes on."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.results.schema import Metric

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cri_shim.bench.endpoint.node import Node, Samples

KEY = "ListPodSandbox meanwhile"
METRIC = Metric(KEY, KEY, main=True)
_EVERY = 0.01


@contextlib.asynccontextmanager
async def meanwhile(node: Node, samples: Samples) -> AsyncIterator[None]:
    """Call every 10 ms for as long as the block lasts, and at least once."""
    over = asyncio.Event()

    async def asking() -> None:
        request = cri.ListPodSandboxRequest().SerializeToString()
        while True:
            samples.add(KEY, (await node.client.timed("ListPodSandbox", request)).ms)
            if over.is_set():
                return
            await asyncio.sleep(_EVERY)

    task = asyncio.create_task(asking())
    try:
        yield
    finally:
        over.set()
        await task
