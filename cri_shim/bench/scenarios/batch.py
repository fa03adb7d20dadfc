"""Start many pods at once, as the Kubernetes node benchmark does: the latency of each, and the time to the last one.

The benchmark (test/e2e_node/density_test.go) creates 105 pods at once and measures for each the time from its creation
until it is seen running, and the time from the first creation until the last runs.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.node import Samples, next_name
from cri_shim.bench.endpoint.pod import END, START, Pod
from cri_shim.bench.endpoint.pod_configs import NAMESPACE
from cri_shim.bench.results.schema import Metric
from cri_shim.bench.scenarios.scenario import WrongWorkError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cri_shim.bench.endpoint.node import Node

_WARM_PODS = 8


class Batch:
    """Starts a number of pods at the same moment, counts them, and removes them at the same moment."""

    title = "Many pods at once"
    about = (
        "{pods} pods with one container each are asked for at the same moment, as in the Kubernetes node benchmark; "
        "when all run, they are counted, and all are stopped and removed at the same moment. A pod's latency counts "
        "from that moment, so it includes the wait for its turn."
    )
    metrics = (
        Metric("last pod runs", "until the last pod runs", main=True),
        Metric("pod runs", "until a pod runs"),
        Metric("last pod gone", "until the last pod is gone", main=True),
        Metric("pod gone", "until a pod is gone"),
        *(Metric(rpc, rpc) for rpc in (*START, *END)),
    )
    rounds = 5

    def __init__(self, pods: int) -> None:
        """Choose how many pods."""
        self.pods = pods
        self.seconds = 0.2 * pods + 1
        self.about = self.about.format(pods=pods)

    @property
    def options(self) -> dict[str, float | str]:
        """Return how many at once."""
        return {"at_once": self.pods}

    async def prepare(self, node: Node) -> None:
        """Do nothing."""

    async def warm(self, node: Node) -> None:
        """Run it with a few pods."""
        await self._do(node, Samples(), min(self.pods, _WARM_PODS))

    async def run(self, node: Node, samples: Samples) -> None:
        """Run it with all pods."""
        await self._do(node, samples, self.pods)

    async def _do(self, node: Node, samples: Samples, count: int) -> None:
        before = await _running(node)
        pods = [Pod.of(node, next_name("batch")) for _ in range(count)]
        await _at_once(samples, "runs", [lambda pod=pod: pod.start(samples) for pod in pods])  # type: ignore[misc]
        running = [now - then for now, then in zip(await _running(node), before, strict=True)]
        if running != [count, count]:
            raise WrongWorkError(f"{node.name} was to run {count} pods and runs {running[0]}, containers {running[1]}")
        await _at_once(samples, "gone", [lambda pod=pod: pod.end(samples) for pod in pods])  # type: ignore[misc]
        if await _running(node) != before:
            raise WrongWorkError(f"{node.name} still lists pods that it said it removed")

    async def clean(self, node: Node) -> None:
        """Do nothing."""


async def _at_once(samples: Samples, what: str, works: list[Callable[[], Awaitable[None]]]) -> None:
    """Begin all ``works`` at the same moment; note when each was done, and when the last was."""
    began = time.perf_counter()

    async def one(work: Callable[[], Awaitable[None]]) -> float:
        await work()
        ms = (time.perf_counter() - began) * 1000
        samples.add(f"pod {what}", ms)
        return ms

    samples.add(f"last pod {what}", max(await asyncio.gather(*(one(work) for work in works))))


async def _running(node: Node) -> list[int]:
    """Return how many of our pods are ready, and how many of their containers run."""
    pods = await node.client.ask("ListPodSandbox", cri.ListPodSandboxRequest(), cri.ListPodSandboxResponse)
    containers = await node.client.ask("ListContainers", cri.ListContainersRequest(), cri.ListContainersResponse)
    ours = {pod.id for pod in pods.items if pod.metadata.namespace == NAMESPACE and pod.state == cri.SANDBOX_READY}
    running = [c for c in containers.containers if c.state == cri.CONTAINER_RUNNING and c.pod_sandbox_id in ours]
    return [len(ours), len(running)]
