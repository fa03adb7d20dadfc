"""Start one pod while everything is observed, and put what was seen into one list of steps."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import uuid
from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.clients.api_version import negotiate
from cri_shim.bench.clients.grpc_caller import GrpcCaller
from lab.pod_configs import container_config, pod_config
from lab.pod_starts.form import REQUESTS, Step
from lab.pod_starts.processes import Executions, ProcessReports
from lab.pod_starts.tap import READY
from lab.pod_starts.tapped_calls import Call, Chunk, calls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cri_shim.bench.clients.api_version import ApiVersion

_DEADLINE: Final = 60.0
_AFTER: Final = 0.3
"""Seconds after the last answer in which ends of programs are still noted."""


@dataclass(frozen=True, slots=True)
class Tapped:
    """A tap between two parts: it listens at ``at`` and leads to ``to``."""

    client: str
    server: str
    at: str
    to: str


class Taps:
    """``with Taps(…) as taps``: calls go through; afterwards ``taps.calls`` has them by tap."""

    def __init__(self, taps: Sequence[Tapped]) -> None:
        """Nothing is started yet."""
        self.taps = taps
        self.calls: dict[Tapped, list[Call]] = {}

    def __enter__(self) -> Self:
        """Start the process that copies."""
        named = [f"{number}={tap.at}:{tap.to}" for number, tap in enumerate(self.taps)]
        command = [sys.executable, "-m", "lab.pod_starts.tap", *named]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != READY:
            raise RuntimeError("the tap does not listen")
        return self

    def __exit__(self, *error: object) -> None:
        """Stop copying, and read what was noted."""
        printed, _ = self._process.communicate(timeout=60)
        chunks: dict[int, list[Chunk]] = {number: [] for number in range(len(self.taps))}
        for line in printed.splitlines():
            name, connection, direction, nanoseconds, data = json.loads(line)
            chunks[int(name)].append(Chunk(connection, direction == "out", nanoseconds, b64decode(data)))
        self.calls = {tap: calls(chunks[number]) for number, tap in enumerate(self.taps)}


@dataclass(slots=True)
class Observed:
    """One pod start: the moments of the client's requests, in nanoseconds of CLOCK_MONOTONIC, and all programs."""

    requests: list[Call]
    executions: Executions
    pod: str = ""

    @property
    def zero(self) -> int:
        """The moment of the first request."""
        return self.requests[0].began

    @property
    def until(self) -> int:
        """The moment of the last answer."""
        return self.requests[-1].ended

    @property
    def wall_ms(self) -> float:
        """From the first request to the last answer."""
        return (self.until - self.zero) / 1e6

    def steps(self, server: str, *, without: frozenset[str] = frozenset()) -> list[Step]:
        """Return the client's requests to ``server`` and the programs, except those of some parts."""
        asked = [_step("kubelet", server, call, self.zero, "client") for call in self.requests]
        ran = [step for step in self.executions.steps(self.zero, self.until) if step.to not in without]
        return asked + ran

    def of_calls(self, tap: Tapped, tapped: Sequence[Call]) -> list[Step]:
        """Return the calls through a tap that began and ended within the pod's start."""
        within = [call for call in tapped if self.zero <= call.began and call.ended <= self.until]
        return [_step(tap.client, tap.server, call, self.zero, "tap") for call in within]

    def of_ledger(self, server: str, records: Sequence[Mapping[str, Any]]) -> list[Step]:
        """Return hops and helpers of cri-shim's own records of the three requests."""
        made = []
        for record, call in zip(records, self.requests, strict=True):
            # The record begins when the request has arrived, which the wall clock of both says.
            base = (record["started_at"] * 1e9 - wall_clock_ahead() - self.zero) / 1e6
            base = max(base, (call.began - self.zero) / 1e6)
            for hop in record["hops"]:
                what = hop["method"]
                made.append(Step(server, "containerd", what, base + hop["start_ms"], hop["duration_ms"], "ledger"))
            for helper in record["helpers"]:
                what = f"{helper['name']} {helper['command']}".strip()
                made.append(Step(server, "CNI", what, base + helper["start_ms"], helper["duration_ms"], "ledger"))
        return made


def wall_clock_ahead() -> int:
    """Return the nanoseconds by which the wall clock is ahead of CLOCK_MONOTONIC."""
    return time.time_ns() - time.monotonic_ns()


def _step(from_: str, to: str, call: Call, zero: int, how: Any) -> Step:
    return Step(from_, to, call.what, (call.began - zero) / 1e6, (call.ended - call.began) / 1e6, how)


@dataclass(slots=True)
class Client:
    """What stands in the kubelet's place: it sends the three requests of a pod start, in the version that is spoken."""

    endpoint: str
    image: str
    logs: Path
    cgroup_parent: str
    _caller: GrpcCaller = field(init=False)
    _version: ApiVersion = field(init=False)

    async def __aenter__(self) -> Self:
        """Connect, and find out the version of the CRI."""
        self._caller = GrpcCaller(self.endpoint)
        self._version = await negotiate(self._caller)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self._caller.close()

    async def _call(self, rpc: str, message: Any, kind: Any) -> tuple[Call, Any]:
        content = self._version.request(rpc, message.SerializeToString())
        began = time.monotonic_ns()
        answer = await self._caller.call(self._version.path(rpc), content, _DEADLINE)
        return Call(rpc, began, time.monotonic_ns()), answer.read(kind)

    async def pull(self, image: str) -> None:
        """Pull an image, so that no start has to."""
        await self._call("PullImage", cri.PullImageRequest(image=cri.ImageSpec(image=image)), cri.PullImageResponse)

    async def start_pod(self) -> tuple[list[Call], str]:
        """Start a pod with one container; return the three calls and the pod's id."""
        name = f"start-{uuid.uuid4().hex[:8]}"
        pod = pod_config(name, log_directory=self.logs / name, cgroup_parent=self.cgroup_parent)
        (self.logs / name / "main").mkdir(parents=True)  # as the kubelet does
        run, sandbox = await self._call(
            "RunPodSandbox", cri.RunPodSandboxRequest(config=pod), cri.RunPodSandboxResponse
        )
        create, container = await self._call(
            "CreateContainer",
            cri.CreateContainerRequest(
                pod_sandbox_id=sandbox.pod_sandbox_id, config=container_config(self.image), sandbox_config=pod
            ),
            cri.CreateContainerResponse,
        )
        begin = cri.StartContainerRequest(container_id=container.container_id)
        start, _ = await self._call("StartContainer", begin, cri.StartContainerResponse)
        assert tuple(call.what for call in (run, create, start)) == REQUESTS
        return [run, create, start], sandbox.pod_sandbox_id

    async def remove_pod(self, pod: str) -> None:
        """Stop and remove a pod."""
        await self._call("StopPodSandbox", cri.StopPodSandboxRequest(pod_sandbox_id=pod), cri.StopPodSandboxResponse)
        with contextlib.suppress(Exception):
            await self._call(
                "RemovePodSandbox", cri.RemovePodSandboxRequest(pod_sandbox_id=pod), cri.RemovePodSandboxResponse
            )

    async def observe(self, daemons: Mapping[int, str]) -> Observed:
        """Start a pod and observe it; the pod still runs."""
        with ProcessReports() as reports:
            requests, pod = await self.start_pod()
            time.sleep(_AFTER)
        return Observed(requests, Executions(daemons).read(reports.events), pod)
