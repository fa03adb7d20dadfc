"""Measure ExecSync of a program that does nothing, which is what an exec probe costs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.node import Samples, next_name
from cri_shim.bench.endpoint.pod import Pod
from cri_shim.bench.endpoint.rhythm import BACK_TO_BACK, in_words
from cri_shim.bench.results.schema import Metric
from cri_shim.bench.scenarios import null_call
from cri_shim.bench.scenarios.scenario import WrongWorkError

if TYPE_CHECKING:
    from cri_shim.bench.endpoint.node import Node


class Probes:
    """Runs /bin/true in a running container, one call after the other."""

    title = "Exec probes"
    metrics = (Metric("ExecSync", "ExecSync of /bin/true", main=True), Metric(null_call.RPC, null_call.RPC))
    rounds = 20

    def __init__(self, period: float = BACK_TO_BACK) -> None:
        """Choose the seconds of quiet before each call."""
        self.period = period
        self.repeats = 3
        self.seconds = 0.3 + (self.repeats + null_call.REPEATS) * period
        self.about = (
            f"ExecSync of /bin/true in a running container, {self.repeats} times a turn, one after the other, "
            f"{in_words(period)}. Before that Version is asked for {null_call.REPEATS} times in the same rhythm, "
            "for what the way to a side and back takes."
        )
        self._pods: dict[str, Pod] = {}

    @property
    def options(self) -> dict[str, float | str]:
        """Return how many calls make a run, and how fast they follow each other."""
        options: dict[str, float | str] = {"repeats": self.repeats}
        if self.period:
            options["period_s"] = self.period
        return options

    async def prepare(self, node: Node) -> None:
        """Run the container."""
        self._pods[node.name] = Pod.of(node, next_name("probed"))
        await self._pods[node.name].start(Samples())

    async def warm(self, node: Node) -> None:
        """Run it once."""
        await self.run(node, Samples())

    async def run(self, node: Node, samples: Samples) -> None:
        """Run the program, and check that it succeeded."""
        await null_call.make(node, samples, self.period)
        pod = self._pods[node.name]
        request = cri.ExecSyncRequest(container_id=pod.container_id, cmd=["/bin/true"], timeout=10).SerializeToString()
        for _ in range(self.repeats):
            if self.period:
                await asyncio.sleep(self.period)
            answer = cri.ExecSyncResponse.FromString(await node.call(samples, "ExecSync", request))
            if answer.exit_code != 0:
                raise WrongWorkError(f"/bin/true ended with {answer.exit_code} on {node.name}")

    async def clean(self, node: Node) -> None:
        """Remove the pod."""
        if node.name in self._pods:
            await self._pods.pop(node.name).end(Samples())
