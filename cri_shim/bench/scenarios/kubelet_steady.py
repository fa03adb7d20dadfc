"""Keep a node quiet under a real kubelet: its own CPU time and memory, and those of the runtime below it.

The kubelet runs alone, with static pods, on one side at a time: it is started before each run on pods that run
already, watches them for a while that does not count, and is ended after the run. Its pods go on meanwhile, idle, so
that all sides hold as many.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint.pod import remove_all
from cri_shim.bench.endpoint.pod_configs import NAMESPACE
from cri_shim.bench.kubelet import cgroup_root
from cri_shim.bench.kubelet.configuration import KubeletPlace
from cri_shim.bench.kubelet.node_state import NodeState, remove_log_links, unmount_below
from cri_shim.bench.kubelet.process import KubeletError, RunningKubelet, version_of
from cri_shim.bench.kubelet.static_pods import write_manifests
from cri_shim.bench.results.schema import KUBELET, Process
from cri_shim.bench.scenarios.scenario import WrongWorkError

if TYPE_CHECKING:
    from cri_shim.bench.endpoint.node import Node, Samples
    from cri_shim.bench.results.schema import Metric

_POLL = 0.5
_PATIENCE = 120.0
"""Seconds without one more running pod after which a side is given up."""
_API = "v1"


@dataclass(slots=True)
class _Side:
    """What belongs to one side while its pods are there."""

    place: KubeletPlace
    kubelet: RunningKubelet | None = None
    containers: frozenset[str] = field(default_factory=frozenset)


class KubeletSteady:
    """A window of a quiet node."""

    title = "Steady state under a real kubelet"
    metrics: tuple[Metric, ...] = ()
    rounds = 4

    def __init__(self, program: Path, pods: int, window: float, before_run: float) -> None:
        """Choose the kubelet, the number of its pods, the seconds of a run and those before it.

        Raises ValueError for a program that does not run.
        """
        try:
            self.version = version_of(program)
        except KubeletError as error:
            raise ValueError(str(error)) from error
        self.program, self.pods, self.window, self.before_run = program, pods, window, before_run
        self.seconds = window + before_run
        self._sides: dict[str, _Side] = {}
        self._state: NodeState | None = None
        self.about = (
            f"A real kubelet ({self.version}), without an API server, with {pods} static pods that run already. It is "
            f"started on one side at a time and left alone for {before_run:g} s; then {window:g} s count: the CPU time "
            "and the memory of the kubelet and of the side's daemons."
        )

    @property
    def options(self) -> dict[str, float | str]:
        """Return what decides how much work it is."""
        return {"kubelet": self.version, "window_s": self.window, "before_s": self.before_run}

    async def prepare(self, node: Node) -> None:
        """Have a kubelet start all pods. Raises :class:`WrongWorkError` for a side on which it cannot or must not."""
        if node.api != _API:
            raise WrongWorkError(f"this kubelet speaks CRI v1, and {node.name} serves {node.api}")
        await _refuse_other_pods(node)
        parent = node.place.cgroup_parent
        # Not below the comparison's directory, which may have a longer path than a socket of the kubelet can have.
        own = Path(tempfile.mkdtemp(prefix="cri-kubelet-"))
        place = KubeletPlace(self.program, node.client.endpoint, own, node.place.logs, parent, _free_port())
        try:
            self._sides[node.name] = _Side(place)
            # The state of the node is that from before the first kubelet; it is put back when no side is left.
            self._state = self._state or NodeState.read()
            cgroup_root.make(parent)
            place.write(self.pods)
            write_manifests(place.manifests, self.pods, node.place.image)
        except (KubeletError, OSError) as error:
            raise WrongWorkError(str(error)) from error
        try:
            await self._start(node)
        except WrongWorkError:
            await self.clean(node)  # at once, because the other sides are measured beside what is left
            raise
        await self._stop(node)

    async def warm(self, node: Node) -> None:
        """Do nothing: each run begins with a kubelet that has become quiet."""

    async def before(self, node: Node) -> None:
        """Start the kubelet and wait until it has read all pods and has become quiet."""
        await self._start(node)
        await asyncio.sleep(self.before_run)

    async def run(self, node: Node, samples: Samples) -> None:  # noqa: ARG002 - CPU time and memory are what counts
        """Leave it alone for a window. Raises :class:`WrongWorkError` if it ended or restarted a container."""
        await asyncio.sleep(self.window)
        side = self._sides[node.name]
        _check(side)
        if await _running(node) != side.containers:
            raise WrongWorkError(f"containers of {node.name} were restarted or ended during the run")

    async def after(self, node: Node) -> None:
        """End the kubelet."""
        await self._stop(node)

    async def clean(self, node: Node) -> None:
        """Remove the pods and whatever the kubelet has made, and set the node back."""
        side = self._sides.pop(node.name, None)
        if side is None:
            return
        if side.kubelet:
            await side.kubelet.stop()
        node.beside = ()
        await remove_all(node)
        left = unmount_below(side.place.directory)
        left += await asyncio.to_thread(cgroup_root.remove, side.place.cgroup_parent)
        remove_log_links(side.place.logs)
        if self._state and not self._sides:
            left += self._state.restore()
            self._state = None
        if not left:
            shutil.rmtree(side.place.directory, ignore_errors=True)
        else:
            raise WrongWorkError(f"something of the kubelet on {node.name} is left: {'; '.join(left)}")

    async def _start(self, node: Node) -> None:
        """Start it and wait for its pods."""
        side = self._sides[node.name]
        try:
            side.kubelet = await RunningKubelet.start(side.place.command(), side.place.log)
        except KubeletError as error:
            raise WrongWorkError(str(error)) from error
        node.beside = (Process(KUBELET, side.kubelet.process.pid, self.version),)
        side.containers = await self._wait_for_pods(node, side)

    async def _wait_for_pods(self, node: Node, side: _Side) -> frozenset[str]:
        """Return the ids of the running containers, once there is one for each pod."""
        running: frozenset[str] = frozenset()
        last_progress = time.monotonic()
        while True:
            _check(side)
            now = await _running(node)
            if len(now) == self.pods:
                return now
            if now != running:
                running, last_progress = now, time.monotonic()
            if time.monotonic() - last_progress > _PATIENCE:
                said = side.kubelet.last_words() if side.kubelet else ""
                raise WrongWorkError(
                    f"{len(running)} of {self.pods} pods of the kubelet run on {node.name}, and for "
                    f"{_PATIENCE:.0f} s no other did: {said}"
                )
            await asyncio.sleep(_POLL)

    async def _stop(self, node: Node) -> None:
        side = self._sides[node.name]
        if side.kubelet:
            await side.kubelet.stop()
        side.kubelet = None
        node.beside = ()


def _check(side: _Side) -> None:
    """Raise :class:`WrongWorkError` when the kubelet has ended by itself."""
    try:
        if side.kubelet:
            side.kubelet.check()
    except KubeletError as error:
        raise WrongWorkError(str(error)) from error


async def _refuse_other_pods(node: Node) -> None:
    """Raise :class:`WrongWorkError` if the endpoint has pods: a kubelet ends all that are not its own."""
    answer = await node.client.ask("ListPodSandbox", cri.ListPodSandboxRequest(), cri.ListPodSandboxResponse)
    if answer.items:
        raise WrongWorkError(
            f"{node.name} has {len(answer.items)} pods already, and a kubelet removes all pods that are not its own"
        )


async def _running(node: Node) -> frozenset[str]:
    """Return the ids of the comparison's containers that run."""
    wanted = cri.ContainerFilter(state=cri.ContainerStateValue(state=cri.CONTAINER_RUNNING))
    request = cri.ListContainersRequest(filter=wanted)
    answer = await node.client.ask("ListContainers", request, cri.ListContainersResponse)
    return frozenset(
        each.id for each in answer.containers if each.labels.get("io.kubernetes.pod.namespace") == NAMESPACE
    )


def _free_port() -> int:
    """Return a port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
