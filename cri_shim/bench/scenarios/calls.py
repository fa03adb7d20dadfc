"""Make the calls that a kubelet repeats all the time, with a number of idle pods on the node.

They are made back to back, which measures the endpoint alone, or with a pause before each call, which measures what a
kubelet sees. A run with pauses has as many calls as fit into some seconds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.node import Samples
from cri_shim.bench.endpoint.pod_configs import NAMESPACE
from cri_shim.bench.endpoint.rhythm import BACK_TO_BACK, in_words
from cri_shim.bench.endpoint.statistics_lists import COMPLETE, coverage_of_statistics
from cri_shim.bench.results.schema import Metric
from cri_shim.bench.scenarios.scenario import WrongWorkError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from cri_shim.bench.endpoint.node import Node

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
_REPEATS = 10
_LONGEST_RUN = 12.0  # seconds of pauses, unless one of each call already takes longer
# A kubelet asks for statistics every ten seconds. A runtime that shares one reading between requests in quick
# succession must not gain by that here, so there is a pause before each.
_PAUSE_BEFORE_STATS = 0.7


class Calls:
    """Makes each list call several times in a run; back to back also each kind of statistics once."""

    title = "Periodic calls"

    def __init__(self, pods: int, period: float = BACK_TO_BACK) -> None:
        """Choose the seconds of quiet before each call."""
        self.pods = pods
        self.period = period
        self.repeats = _repeats(period)
        rpcs = _LISTS if period else (*_LISTS, *_STATS)
        self.metrics = tuple(Metric(rpc, rpc, rpc in _MAIN) for rpc in rpcs)
        self.rounds = 6 if self._waits > _LONGEST_RUN / 2 else 8
        self.seconds = 0.1 + self._waits if period else 2.0 + pods / 100
        self.about = (
            f"With {pods} idle pods on the node, the lists are asked for in turn, {self.repeats} times each, "
            f"{in_words(period)}: so long after each answer comes the next call, and its clock starts after the wait."
            if period
            else f"With {pods} idle pods on the node, each list is asked for {self.repeats} times a turn and each kind "
            "of statistics once, one call after the other. Before each request for statistics there is a pause of "
            f"{_PAUSE_BEFORE_STATS} s, so that none is answered from what another has read, and then a call of Version "
            "without a clock, so that it is not the sleeping client whose waking is measured."
        )

    @property
    def _waits(self) -> float:
        """Return the seconds of a run that are pauses between lists."""
        return self.period * len(_LISTS) * self.repeats

    @property
    def options(self) -> dict[str, float | str]:
        """Return how many calls of each list, and how fast they follow each other."""
        options: dict[str, float | str] = {"repeats": self.repeats}
        if self.period:
            options["period_s"] = self.period
        return options

    async def prepare(self, node: Node) -> None:
        """Check that the number of pods is right, and that statistics include all of them."""
        pods = await node.client.ask("ListPodSandbox", cri.ListPodSandboxRequest(), cri.ListPodSandboxResponse)
        pods_there = sum(pod.metadata.namespace == NAMESPACE for pod in pods.items)
        if pods_there != self.pods:
            raise WrongWorkError(f"{node.name} lists {pods_there} pods, not {self.pods}")
        for rpc, what in (await coverage_of_statistics(node)).items():
            if rpc not in node.left_out and what != COMPLETE:
                raise WrongWorkError(f"{rpc} of {node.name} is {what}")

    async def warm(self, node: Node) -> None:
        """Make each call once."""
        for rpc, request in _measured(node, _LISTS | _STATS).items():
            await node.call(Samples(), rpc, request.SerializeToString())

    async def run(self, node: Node, samples: Samples) -> None:
        """Make the list calls, then the statistics calls."""
        if self.period:
            await self._with_pauses(node, samples)
            return
        for rpc, request in _measured(node, _LISTS).items():
            content = request.SerializeToString()
            for _ in range(self.repeats):
                await node.call(samples, rpc, content)
        for rpc, request in _measured(node, _STATS).items():
            content = request.SerializeToString()
            await asyncio.sleep(_PAUSE_BEFORE_STATS)
            await node.call(Samples(), "Version", _LISTS["Version"].SerializeToString())
            await node.call(samples, rpc, content)

    async def _with_pauses(self, node: Node, samples: Samples) -> None:
        for _ in range(self.repeats):
            for rpc, request in _measured(node, _LISTS).items():
                await asyncio.sleep(self.period)
                await node.call(samples, rpc, request.SerializeToString())

    async def clean(self, node: Node) -> None:
        """Do nothing."""


def _measured(node: Node, requests: dict[str, Message]) -> dict[str, Message]:
    """Return the requests that the side implements."""
    return {rpc: request for rpc, request in requests.items() if rpc not in node.left_out}


def _repeats(period: float) -> int:
    """Return how many calls of each list make a run."""
    if not period:
        return _REPEATS
    return max(1, min(_REPEATS, int(_LONGEST_RUN / (len(_LISTS) * period))))
