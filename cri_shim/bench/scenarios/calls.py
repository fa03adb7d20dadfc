"""The calls that a kubelet repeats whatever happens, with so many idle pods on the node."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.node import Samples
from cri_shim.bench.scenarios.scenario import WrongWorkError
from cri_shim.bench.schema import Metric

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from cri_shim.bench.node import Node

_LISTS: dict[str, Message] = {
    "ListPodSandbox": cri.ListPodSandboxRequest(),
    "ListContainers": cri.ListContainersRequest(),
    "Status": cri.StatusRequest(),
    "Version": cri.VersionRequest(),
    "ListImages": cri.ListImagesRequest(),
    "ImageFsInfo": cri.ImageFsInfoRequest(),
}
_STATS: dict[str, Message] = {
    "ListContainerStats": cri.ListContainerStatsRequest(),
    "ListPodSandboxStats": cri.ListPodSandboxStatsRequest(),
}
_MAIN = {"ListPodSandbox", "ListContainers", *_STATS}
# A kubelet asks for statistics every ten seconds. A runtime that shares one reading between requests that come closer
# together shall not gain by it here, so there is a pause before each.
_PAUSE_BEFORE_STATS = 0.7


class Calls:
    """Each list ten times a turn, each kind of statistics once."""

    title = "Periodic calls"
    metrics = tuple(Metric(rpc, rpc, rpc in _MAIN) for rpc in (*_LISTS, *_STATS))
    rounds = 8

    def __init__(self, pods: int, repeats: int = 10) -> None:
        """Choose how many calls of each list make a turn."""
        self.pods = pods
        self.repeats = repeats
        self.seconds = 2.0 + pods / 100
        self.about = (
            f"With {pods} idle pods on the node, each list is asked for {repeats} times a turn and each kind of "
            f"statistics once, one call after the other. Before each request for statistics there is a pause of "
            f"{_PAUSE_BEFORE_STATS} s, so that none is answered from what another has read, and then a call of Version "
            "without a clock, so that it is not the sleeping client whose waking is measured."
        )

    @property
    def options(self) -> dict[str, float | str]:
        """How many calls of each list."""
        return {"repeats": self.repeats}

    async def prepare(self, node: Node) -> None:
        """See that both kinds of statistics tell of every pod."""
        pods = await node.client.ask("ListPodSandbox", cri.ListPodSandboxRequest(), cri.ListPodSandboxResponse)
        containers = await node.client.ask(
            "ListContainerStats", cri.ListContainerStatsRequest(), cri.ListContainerStatsResponse
        )
        sandboxes = await node.client.ask(
            "ListPodSandboxStats", cri.ListPodSandboxStatsRequest(), cri.ListPodSandboxStatsResponse
        )
        found = (len(pods.items), len(containers.stats), len(sandboxes.stats))
        if found != (self.pods,) * 3:
            raise WrongWorkError(f"{node.name} tells of {found} pods and statistics, not of {self.pods} each")

    async def warm(self, node: Node) -> None:
        """Do it once."""
        await self.turn(node, Samples())

    async def turn(self, node: Node, samples: Samples) -> None:
        """The lists, then the statistics."""
        for rpc, request in _LISTS.items():
            content = request.SerializeToString()
            for _ in range(self.repeats):
                await node.call(samples, rpc, content)
        for rpc, request in _STATS.items():
            content = request.SerializeToString()
            await asyncio.sleep(_PAUSE_BEFORE_STATS)
            await node.call(Samples(), "Version", _LISTS["Version"].SerializeToString())
            await node.call(samples, rpc, content)

    async def clean(self, node: Node) -> None:
        """Nothing."""
