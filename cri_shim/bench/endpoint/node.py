"""One side while it is measured: its endpoint, the processes behind it, and the place of its pods."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.clients.client import CallError
from cri_shim.bench.endpoint.cgroup_parents import for_driver
from cri_shim.bench.measures import processes
from cri_shim.bench.measures.descendants import descendants_of
from cri_shim.bench.measures.memory import read_memory
from cri_shim.bench.measures.shims import shims_of
from cri_shim.bench.results import schema
from cri_shim.bench.results.bills import itemize, read_bill
from untrusted.text import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.bench.clients.caller import Answer
    from cri_shim.bench.clients.client import Client
    from cri_shim.bench.endpoint.pod_configs import Place
    from cri_shim.bench.measures.memory import Memory
    from cri_shim.bench.measures.processes import Clock
    from cri_shim.bench.results.bills import Bill

OPTIONAL = ("ImageFsInfo", "ListContainerStats", "ListPodSandboxStats")
"""RPCs of the scenarios that some runtimes lack."""
_REQUIRED = {"RuntimeReady", "NetworkReady"}
"""The conditions that a kubelet waits for; others are only for people."""
NOT_IMPLEMENTED = "not implemented"
_SAYS_UNIMPLEMENTED = re.compile(r"not (yet )?(implement|support)|unimplemented|does not support", re.IGNORECASE)
_CGROUPS = Path("/sys/fs/cgroup")
_names = itertools.count(1)


@dataclass(slots=True)
class Samples:
    """The yield of one run: milliseconds by metric, and the bills that came with the answers."""

    values: dict[str, list[float]] = field(default_factory=dict)
    _bills: dict[str, list[Bill]] = field(default_factory=dict)

    def add(self, metric: str, ms: float) -> None:
        """Add a value."""
        self.values.setdefault(metric, []).append(round(ms, 3))

    def add_answer(self, rpc: str, answer: Answer) -> None:
        """Add how long an RPC took, and its bill."""
        self.add(rpc, answer.ms)
        if bill := read_bill(answer.bill, answer.ms):
            self._bills.setdefault(rpc, []).append(bill)

    def bills(self) -> dict[str, schema.Bills]:
        """Return the bills of each RPC, part by part."""
        return {rpc: itemize(bills) for rpc, bills in self._bills.items()}


@dataclass(slots=True)
class Node:
    """A side. ``behind`` are the sockets of daemons whose work counts for it, such as containerd behind a bridge."""

    name: str
    client: Client
    place: Place
    behind: tuple[str, ...] = ()
    processes: tuple[schema.Process, ...] = ()
    runtime: str = ""
    configuration: str = ""
    api: str = ""
    beside: tuple[schema.Process, ...] = ()
    """Processes that are measured with the side and are none of its daemons: the kubelet above it."""
    left_out: dict[str, str] = field(default_factory=dict)
    """RPCs that are not measured here, and the reasons."""
    cut_off: bool = False
    """Whether the start of a pod was abandoned half way; the runtime may still continue it."""

    async def inspect(self) -> schema.Side:
        """Find out which runtime serves the endpoint, and how; return the record of the side.

        Raises :class:`processes.UnknownProcessError`, or :class:`CallError` when the endpoint does not answer.
        """
        version = await self.client.ask("Version", cri.VersionRequest(), cri.VersionResponse)
        self.runtime = escaped(f"{version.runtime_name} {version.runtime_version}")
        status = await self.client.ask("Status", cri.StatusRequest(verbose=True), cri.StatusResponse)
        wrong = [each for each in status.status.conditions if each.type in _REQUIRED and not each.status]
        if wrong:
            why = escaped(wrong[0].message or wrong[0].reason)
            raise NotReadyError(f"{self.name} is not ready: {wrong[0].type} is false: {why}")
        self.configuration = _configuration(dict(status.info))
        await self._find_what_is_not_implemented()
        systemd = await self._is_systemd_the_cgroup_driver()
        self.place = replace(self.place, cgroup_parent=for_driver(self.place.cgroup_parent, systemd=systemd))
        by_pid: dict[int, schema.Process] = {}
        for endpoint in (self.client.endpoint, *self.behind):
            pid = processes.server_of(endpoint)
            name = processes.program_of(pid)
            same = sum(each.name.partition("#")[0] == name for key, each in by_pid.items() if key != pid)
            name = f"{name}#{same + 1}" if same else name
            by_pid[pid] = schema.Process(name, pid, processes.version_of(pid))
        self.processes = tuple(by_pid.values())
        self.api = (await self.client.version()).name
        return self.side()

    def side(self) -> schema.Side:
        """Return the record of the side as it is known by now."""
        return schema.Side(
            self.name,
            self.client.endpoint,
            self.runtime,
            self.processes,
            self.configuration,
            self.api,
            dict(self.left_out),
        )

    async def _is_systemd_the_cgroup_driver(self) -> bool:
        """Return whether RuntimeConfig says so, which runtimes answer from Kubernetes 1.28 on."""
        try:
            answer = await self.client.ask("RuntimeConfig", cri.RuntimeConfigRequest(), cri.RuntimeConfigResponse)
        except CallError as error:
            if not is_unimplemented(error):
                raise
            return False
        return answer.HasField("linux") and answer.linux.cgroup_driver == cri.SYSTEMD

    async def _find_what_is_not_implemented(self) -> None:
        """Call once each RPC that some runtimes do not implement."""
        for rpc in OPTIONAL:
            try:
                await self.client.timed(rpc, b"")
            except CallError as error:
                if not is_unimplemented(error):
                    raise
                self.left_out[rpc] = NOT_IMPLEMENTED

    async def have_image(self) -> None:
        """Pull the pods' image unless it is present, and remember the id by which the runtime knows it."""
        image = cri.ImageSpec(image=self.place.image)
        request = cri.ImageStatusRequest(image=image)
        status = await self.client.ask("ImageStatus", request, cri.ImageStatusResponse)
        if not status.HasField("image"):
            await self.client.ask("PullImage", cri.PullImageRequest(image=image), cri.PullImageResponse)
            status = await self.client.ask("ImageStatus", request, cri.ImageStatusResponse)
        if not status.image.id:
            raise NotReadyError(f"{self.name} does not have {self.place.image} after it was pulled")
        self.place = replace(self.place, image_id=status.image.id)

    def shims(self) -> list[int]:
        """Return the process ids of the side's shims."""
        daemons = [process.pid for process in self.processes]
        return shims_of([self.client.endpoint, *self.behind], self.place.cgroup_parent, daemons)

    def clock(self, shims: Sequence[int]) -> Clock:
        """Return the CPU seconds used so far."""
        return processes.read_clock(self.processes, shims, self.client.pids, self._helpers(shims), self.beside)

    def memory(self) -> Memory:
        """Return the memory that its processes hold now."""
        shims = self.shims()
        return read_memory((*self.processes, *self.beside), shims, self._helpers(shims))

    def _helpers(self, shims: Sequence[int]) -> list[int]:
        return descendants_of([process.pid for process in self.processes], shims)

    async def call(self, samples: Samples, rpc: str, request: bytes) -> bytes:
        """Call an RPC and note how long it took; return the bytes of the answer."""
        answer = await self.client.timed(rpc, request)
        samples.add_answer(rpc, answer)
        return answer.content

    def remove_cgroups(self) -> bool:
        """Remove the empty parents that pods have left, as a kubelet does; return False if one is in use and stays."""
        parent = self.place.cgroup_parent.strip("/")
        if not parent:
            return True
        for top in (_CGROUPS, *_CGROUPS.iterdir()):
            own = top / parent
            if own.is_dir():
                for folder in (*(entry for entry in own.iterdir() if entry.is_dir()), own):
                    with contextlib.suppress(OSError):
                        folder.rmdir()
        return not any((top / parent).is_dir() for top in (_CGROUPS, *_CGROUPS.iterdir()))


class NotReadyError(Exception):
    """An endpoint that cannot run pods."""


def is_unimplemented(error: CallError) -> bool:
    """Return whether a runtime says that it lacks an RPC; some say so with another code."""
    return error.code is grpc.StatusCode.UNIMPLEMENTED or bool(_SAYS_UNIMPLEMENTED.search(error.details))


def next_name(kind: str) -> str:
    """Return a pod name that this process has not used."""
    return f"{kind}-{next(_names)}"


def _configuration(info: dict[str, str]) -> str:
    """Return the settings from a verbose ``Status`` that decide what a pod start does, without one run's paths."""
    configuration: dict[str, Any] = {}
    with contextlib.suppress(ValueError, AttributeError):
        config = json.loads(info.get("config", "{}"))
        containerd = config.get("containerd") or {}
        configuration["snapshotter"] = containerd.get("snapshotter")
        configuration["runtimes"] = {
            name: runtime.get("runtime_type") or runtime.get("runtimeType")
            for name, runtime in (containerd.get("runtimes") or {}).items()
        }
        if sandbox := config.get("sandbox"):
            configuration["sandbox"] = sandbox
    with contextlib.suppress(ValueError):
        if python := info.get("python"):
            configuration["python"] = json.loads(python)
    return json.dumps(configuration, sort_keys=True)
