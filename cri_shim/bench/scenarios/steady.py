"""Keep a node quiet: idle pods and a kubelet's own rhythm of calls, which cost CPU time and memory.

Periods are those of kubelet 1.36 (pkg/kubelet/kubelet.go and what it starts): the pod lifecycle event generator relists
every second, housekeeping runs every two, the runtime's state is read every five; the eviction manager, the node status
and the rotation of logs, which reads the status of each container, run every ten. These are the requests that were
counted while a kubelet 1.36.2 was idle. What happens every half minute or more rarely is left out: a run is ten
seconds, in which everything else happens a whole number of times.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.node import Samples
from cri_shim.bench.endpoint.own_containers import containers_of
from cri_shim.bench.results.schema import Metric
from cri_shim.bench.scenarios.scenario import WrongWorkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from cri_shim.bench.endpoint.node import Node


@dataclass(frozen=True, slots=True)
class Beat:
    """Calls, one after the other, every ``period`` seconds, first at ``offset``.

    ``each`` is the call made then for one container after the other. With ``running``, lists are asked for what runs.
    """

    what: str
    period: float
    offset: float
    rpcs: tuple[str, ...]
    each: str = ""
    running: bool = False


_LISTS = ("ListPodSandbox", "ListContainers")
_EACH = "ContainerStatus"
RHYTHM = (
    Beat("pod lifecycle event generator", 1, 0.0, _LISTS),
    Beat("housekeeping", 2, 0.3, _LISTS, running=True),
    Beat("runtime state", 5, 0.5, ("Status",)),
    Beat("eviction manager", 10, 0.7, ("ListContainerStats", *_LISTS, "ImageFsInfo")),
    Beat("node status", 10, 1.6, ("Version",)),
    Beat("log rotation", 10, 1.2, ("ListContainers",), each=_EACH),
)
_REQUESTS: dict[str, Message] = {
    "ListPodSandbox": cri.ListPodSandboxRequest(),
    "ListContainers": cri.ListContainersRequest(),
    "Status": cri.StatusRequest(),
    "Version": cri.VersionRequest(),
    "ImageFsInfo": cri.ImageFsInfoRequest(),
    "ListContainerStats": cri.ListContainerStatsRequest(),
}
OF_WHAT_RUNS: dict[str, cri.ListPodSandboxRequest | cri.ListContainersRequest] = {
    "ListPodSandbox": cri.ListPodSandboxRequest(
        filter=cri.PodSandboxFilter(state=cri.PodSandboxStateValue(state=cri.SANDBOX_READY))
    ),
    "ListContainers": cri.ListContainersRequest(
        filter=cri.ContainerFilter(state=cri.ContainerStateValue(state=cri.CONTAINER_RUNNING))
    ),
}


class Steady:
    """Ten seconds of a quiet node."""

    title = "Steady state"
    metrics = tuple(Metric(rpc, rpc) for rpc in (*_REQUESTS, _EACH))
    rounds = 6

    def __init__(self, pods: int, window: float = 10.0) -> None:
        """Choose how many idle pods there are, and the length of a run in seconds."""
        self.pods = pods
        self.window = self.seconds = window
        self._statuses: dict[str, list[bytes]] = {}
        beats = "; ".join(map(_in_words, RHYTHM))
        self.about = (
            f"{pods} idle pods, and for {window:g} s the calls of a kubelet in its own rhythm ({beats}). What "
            "counts is the CPU time that the daemons and the machine spend on it, and the memory they hold."
        )

    @property
    def options(self) -> dict[str, float | str]:
        """Return what decides how much work it is."""
        return {"window_s": self.window, "rhythm": "; ".join(map(_in_words, RHYTHM))}

    async def prepare(self, node: Node) -> None:
        """Remember the containers whose status will be read: those of the comparison, and one for each idle pod.

        Raises :class:`WrongWorkError` for another number, because every side has to answer as many requests.
        """
        running = [each.id for each in await containers_of(node) if each.state == cri.CONTAINER_RUNNING]
        if len(running) != self.pods:
            raise WrongWorkError(f"{node.name} runs {len(running)} containers for {self.pods} idle pods")
        self._statuses[node.name] = [
            cri.ContainerStatusRequest(container_id=id_).SerializeToString() for id_ in running
        ]

    async def warm(self, node: Node) -> None:
        """Make each call once, also those for each container: a side that fails one is left out and not measured."""
        for rpc, request in _REQUESTS.items():
            if rpc not in node.left_out:
                await node.call(Samples(), rpc, request.SerializeToString())
        for rpc, of_what_runs in OF_WHAT_RUNS.items():
            await node.call(Samples(), rpc, of_what_runs.SerializeToString())
        for status in self._statuses[node.name]:
            await node.call(Samples(), _EACH, status)

    async def run(self, node: Node, samples: Samples) -> None:
        """Make the calls of one window, to its end."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for beat in RHYTHM:
                group.create_task(self._keep(beat, began, node, samples))
        await asyncio.sleep(began + self.window - time.monotonic())

    async def _keep(self, beat: Beat, began: float, node: Node, samples: Samples) -> None:
        requests: Mapping[str, Message] = OF_WHAT_RUNS if beat.running else _REQUESTS
        due = began + beat.offset
        while due < began + self.window:
            await asyncio.sleep(due - time.monotonic())
            for rpc in beat.rpcs:
                if rpc in node.left_out:
                    continue
                await node.call(samples, rpc, requests[rpc].SerializeToString())
            for request in self._statuses[node.name] if beat.each else ():
                await node.call(samples, beat.each, request)
            due += beat.period

    async def clean(self, node: Node) -> None:
        """Do nothing."""


def _in_words(beat: Beat) -> str:
    more = " of what runs" if beat.running else f" + {beat.each} of each container" if beat.each else ""
    return f"{beat.what}: {' + '.join(beat.rpcs)}{more} every {beat.period:g} s"
