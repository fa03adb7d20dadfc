"""Make a load of every RPC that changes something and has hops, in several rhythms.

It proves estimates of transport: pods live one at a time, four at a time, and with pauses between their calls.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.images import busybox_image, push
from lab.pod_configs import container_config, pod_config, sh

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from lab.lab import Lab

WITH_HOPS: Final = frozenset(
    {
        "PullImage",
        "RunPodSandbox",
        "UpdatePodSandboxResources",
        "CreateContainer",
        "StartContainer",
        "ExecSync",
        "UpdateContainerResources",
        "StopContainer",
        "RemoveContainer",
        "StopPodSandbox",
        "RemovePodSandbox",
        "RemoveImage",
    }
)
"""The RPCs of one life; ReopenContainerLog is called as well and makes no hop."""


class Phase(NamedTuple):
    """A number of lives in one rhythm."""

    name: str
    at_once: int
    pauses: tuple[float, ...]
    """Seconds before each call of a life, one of which is drawn."""
    share: float
    """The share of all lives."""


PHASES: Final = (
    Phase("one pod at a time", 1, (0.0,), 0.4),
    Phase("four pods at a time", 4, (0.0,), 0.4),
    Phase("one pod at a time, with pauses", 1, (0.0, 0.002, 0.01, 0.05, 0.1, 0.3), 0.2),
)
WORKERS: Final = max(phase.at_once for phase in PHASES)


class MixedLoad:
    """Lives of pods on one node."""

    def __init__(self, lab: Lab, seed: int = 1) -> None:
        self._lab = lab
        self._random = random.Random(seed)
        self._images = [f"{lab.images.address}/small{number}:1" for number in range(WORKERS)]

    async def prepare(self) -> None:
        """Push the images that are pulled and removed, one for each worker."""
        for number in range(WORKERS):
            image = busybox_image(files={"/which": str(number).encode()})
            await asyncio.to_thread(push, self._lab.images.address, f"small{number}:1", image)

    async def run(self, lives: int) -> dict[str, tuple[int, float]]:
        """Run about ``lives`` lives; return the number of lives and the seconds of each phase."""
        took = {}
        for phase in PHASES:
            begun = time.perf_counter()
            count = max(1, round(lives * phase.share))
            await self._phase(phase, iter(range(count)))
            took[phase.name] = (count, time.perf_counter() - begun)
        return took

    async def _phase(self, phase: Phase, lives: Iterator[int]) -> None:
        async def worker(number: int) -> None:
            for _ in lives:
                await self._life(number, phase.pauses)

        async with asyncio.TaskGroup() as group:
            for number in range(phase.at_once):
                group.create_task(worker(number))

    async def _life(self, worker: int, pauses: tuple[float, ...]) -> None:
        async def call(method: Callable[..., Awaitable[Any]], **fields: Any) -> Any:
            await asyncio.sleep(self._random.choice(pauses))
            return await method(**fields)

        lab, client = self._lab, self._lab.client
        logs = lab.logs / f"worker{worker}"
        config = pod_config(cgroup_parent=lab.cgroup_parent, log_directory=logs)
        described = container_config(lab.busybox)
        log = logs / described.log_path
        log.parent.mkdir(parents=True, exist_ok=True)
        resources = cri.LinuxContainerResources(cpu_shares=512)
        await call(client.PullImage, image={"image": self._images[worker]})
        pod = (await call(client.RunPodSandbox, config=config)).pod_sandbox_id
        await call(client.UpdatePodSandboxResources, pod_sandbox_id=pod, resources=resources)
        made = await call(client.CreateContainer, pod_sandbox_id=pod, config=described, sandbox_config=config)
        container = made.container_id
        await call(client.StartContainer, container_id=container)
        await call(client.ExecSync, container_id=container, cmd=sh("true"), timeout=20)
        await call(client.UpdateContainerResources, container_id=container, linux=resources)
        log.unlink()
        await call(client.ReopenContainerLog, container_id=container)
        await call(client.StopContainer, container_id=container, timeout=5)
        await call(client.RemoveContainer, container_id=container)
        await call(client.StopPodSandbox, pod_sandbox_id=pod)
        await call(client.RemovePodSandbox, pod_sandbox_id=pod)
        await call(client.RemoveImage, image={"image": self._images[worker]})
