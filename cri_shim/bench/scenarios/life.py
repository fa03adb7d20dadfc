"""Run one pod's life, RPC by RPC, with nothing else going on."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.node import Samples, next_name
from cri_shim.bench.endpoint.pod import END, START, Pod
from cri_shim.bench.results.schema import Metric
from cri_shim.bench.scenarios import null_call

if TYPE_CHECKING:
    from cri_shim.bench.endpoint.node import Node


class Life:
    """Starts a pod with one container as a kubelet does, reads its status, and ends it."""

    title = "One pod's life"
    about = (
        "A pod with one container is started, looked at, stopped and removed, each RPC after the one before, with "
        "nothing else going on. A pod's start is RunPodSandbox + CreateContainer + StartContainer, its end is "
        "StopContainer + StopPodSandbox + RemoveContainer + RemovePodSandbox (without grace). Before that Version is "
        f"asked for {null_call.REPEATS} times, one call after the other, for what the way to a side and back takes."
    )
    metrics = (
        Metric("pod start", "pod start (3 RPCs)", main=True, sum_of=START),
        Metric("pod end", "pod end (4 RPCs)", main=True, sum_of=END),
        *(
            Metric(rpc, rpc)
            for rpc in (null_call.RPC, "ImageStatus", *START, "PodSandboxStatus", "ContainerStatus", *END)
        ),
    )
    rounds = 30
    seconds = 0.5

    @property
    def options(self) -> dict[str, float | str]:
        """Return nothing, because there is nothing to choose."""
        return {}

    async def prepare(self, node: Node) -> None:
        """Do nothing."""

    async def warm(self, node: Node) -> None:
        """Run it once."""
        await self.run(node, Samples())

    async def run(self, node: Node, samples: Samples) -> None:
        """Run one pod."""
        await null_call.make(node, samples)
        image = cri.ImageStatusRequest(image=cri.ImageSpec(image=node.place.image)).SerializeToString()
        await node.call(samples, "ImageStatus", image)
        pod = Pod.of(node, next_name("life"))
        await pod.start(samples)
        await pod.read_status(samples)
        await pod.end(samples)
        for metric, rpcs in (("pod start", START), ("pod end", END)):
            samples.add(metric, fsum(samples.values[rpc][-1] for rpc in rpcs))

    async def clean(self, node: Node) -> None:
        """Do nothing."""
