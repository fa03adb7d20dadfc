"""A CRI runtime that runs nothing and is as strict as the strictest of real ones, under any version of the API.

Containers are records; what a test execs in one runs on this machine. What a kubelet would not do is answered with an
error: a pod without its log directory, a pod that is stopped before its containers, a running thing that is removed.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

IMAGE, IMAGE_ID = "registry.test/busybox:1", "sha256:0123"
CRI_LOG = "".join(f"2026-01-01T00:00:00.000000001Z stdout F line {number}\n" for number in range(50))
MESSAGES = {
    method.name: (method.input_type.name, method.output_type.name)
    for service in cri.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


class RefusedError(Exception):
    """What a strict runtime does not do."""


@dataclass
class FakeRuntime:
    """``package`` is that of the services that it has, ``lacks`` are RPCs that it does not know."""

    address: Path
    package: str = "runtime.v1"
    lacks: frozenset[str] = frozenset()
    log: str | None = CRI_LOG
    """What a container leaves in its log file; None: it makes no file."""
    status: dict[str, grpc.StatusCode] = field(default_factory=dict)
    """RPCs that fail, and with which status."""
    garbage: frozenset[str] = frozenset()
    """RPCs that answer with bytes that are no message."""
    has_image: bool = True
    """Whether there is the image, which goes when it is removed by its id, and by no other name."""
    false: tuple[str, ...] = ("ContainerdHasNoDeprecationWarnings",)
    """Conditions that are not met; this one says that something of the configuration is going away."""
    dies_at: str = ""
    """The RPC at which its process ends, without an answer."""
    forgets_statistics: bool = False
    """ListContainerStats has nothing in it."""
    seen: list[tuple[str, Any]] = field(default_factory=list)
    pods: dict[str, cri.PodSandbox] = field(default_factory=dict)
    configs: dict[str, cri.PodSandboxConfig] = field(default_factory=dict)
    containers: dict[str, cri.Container] = field(default_factory=dict)
    server: grpc.aio.Server | None = None
    made: int = 0

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"unix://{self.address}"

    @property
    def called(self) -> list[str]:
        """The RPCs that came, in their order."""
        return [rpc for rpc, _ in self.seen]

    async def __aenter__(self) -> Self:
        """Serve."""
        self.server = grpc.aio.server()
        self.server.add_generic_rpc_handlers((_Handlers(self),))
        self.server.add_insecure_port(self.endpoint)
        await self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        assert self.server is not None
        await self.server.stop(None)

    def answer(self, rpc: str, content: bytes) -> bytes:
        """Do it; raises RefusedError."""
        request = getattr(cri, MESSAGES[rpc][0]).FromString(content)
        self.seen.append((rpc, request))
        if rpc == self.dies_at:
            os._exit(1)
        if rpc in self.garbage:
            return b"\xff\xff\xff"
        do: Callable[[Any], Any] | None = getattr(self, f"_do_{rpc}", None)
        answer = do(request) if do else getattr(cri, MESSAGES[rpc][1])()
        made: bytes = answer.SerializeToString()
        return made

    def _do_Version(self, _request: Any) -> Any:
        return cri.VersionResponse(runtime_name="fake", runtime_version="1", runtime_api_version="v1")

    def _do_Status(self, _request: Any) -> Any:
        kinds = ("RuntimeReady", "NetworkReady", "ContainerdHasNoDeprecationWarnings")
        conditions = [cri.RuntimeCondition(type=kind, status=kind not in self.false) for kind in kinds]
        return cri.StatusResponse(status=cri.RuntimeStatus(conditions=conditions))

    def _do_ImageStatus(self, _request: Any) -> Any:
        return cri.ImageStatusResponse(image=cri.Image(id=IMAGE_ID) if self.has_image else None)

    def _do_PullImage(self, _request: Any) -> Any:
        self.has_image = True
        return cri.PullImageResponse(image_ref=IMAGE_ID)

    def _do_RemoveImage(self, request: Any) -> Any:
        self.has_image = self.has_image and request.image.image != IMAGE_ID
        return cri.RemoveImageResponse()

    def _do_RunPodSandbox(self, request: Any) -> Any:
        if not Path(request.config.log_directory).is_dir():
            raise RefusedError(f"{request.config.log_directory} is not there")
        self.made += 1
        id_ = f"pod{self.made}"
        self.pods[id_] = cri.PodSandbox(id=id_, metadata=request.config.metadata, labels=request.config.labels)
        self.configs[id_] = request.config
        return cri.RunPodSandboxResponse(pod_sandbox_id=id_)

    def _do_CreateContainer(self, request: Any) -> Any:
        if not request.config.image.user_specified_image:
            raise RefusedError("no user_specified_image")
        log = Path(self.configs[request.pod_sandbox_id].log_directory, request.config.log_path)
        if not log.parent.is_dir():
            raise RefusedError(f"{log.parent} is not there")
        if self.log is not None:
            log.write_text(self.log, encoding="utf-8")
        self.made += 1
        id_ = f"container{self.made}"
        self.containers[id_] = cri.Container(
            id=id_,
            pod_sandbox_id=request.pod_sandbox_id,
            metadata=request.config.metadata,
            image=request.config.image,
            labels=request.config.labels,
        )
        return cri.CreateContainerResponse(container_id=id_)

    def _do_StartContainer(self, request: Any) -> Any:
        self.containers[request.container_id].state = cri.CONTAINER_RUNNING
        return cri.StartContainerResponse()

    def _do_StopContainer(self, request: Any) -> Any:
        self.containers[request.container_id].state = cri.CONTAINER_EXITED
        return cri.StopContainerResponse()

    def _do_StopPodSandbox(self, request: Any) -> Any:
        if running := [each.id for each in self._of(request.pod_sandbox_id) if each.state == cri.CONTAINER_RUNNING]:
            raise RefusedError(f"{running[0]} runs")
        self.pods[request.pod_sandbox_id].state = cri.SANDBOX_NOTREADY
        return cri.StopPodSandboxResponse()

    def _do_RemoveContainer(self, request: Any) -> Any:
        if self.containers[request.container_id].state == cri.CONTAINER_RUNNING:
            raise RefusedError(f"{request.container_id} runs")
        del self.containers[request.container_id]
        return cri.RemoveContainerResponse()

    def _do_RemovePodSandbox(self, request: Any) -> Any:
        if self._of(request.pod_sandbox_id):
            raise RefusedError(f"{request.pod_sandbox_id} has containers")
        if self.pods[request.pod_sandbox_id].state == cri.SANDBOX_READY:
            raise RefusedError(f"{request.pod_sandbox_id} is ready")
        del self.pods[request.pod_sandbox_id]
        return cri.RemovePodSandboxResponse()

    def _do_PodSandboxStatus(self, request: Any) -> Any:
        pod = self.pods[request.pod_sandbox_id]
        status = cri.PodSandboxStatus(id=pod.id, metadata=pod.metadata, network=cri.PodSandboxNetworkStatus(ip="::1"))
        return cri.PodSandboxStatusResponse(status=status)

    def _do_ContainerStatus(self, request: Any) -> Any:
        status = cri.ContainerStatus(id=request.container_id, state=cri.CONTAINER_EXITED, exit_code=3)
        return cri.ContainerStatusResponse(status=status)

    def _do_ListPodSandbox(self, _request: Any) -> Any:
        return cri.ListPodSandboxResponse(items=self.pods.values())

    def _do_ListContainers(self, request: Any) -> Any:
        pod = request.filter.pod_sandbox_id
        return cri.ListContainersResponse(containers=self._of(pod) if pod else self.containers.values())

    def _do_ListContainerStats(self, _request: Any) -> Any:
        known = () if self.forgets_statistics else self.containers
        stats = [cri.ContainerStats(attributes=cri.ContainerAttributes(id=id_)) for id_ in known]
        return cri.ListContainerStatsResponse(stats=stats)

    def _do_ListPodSandboxStats(self, _request: Any) -> Any:
        stats = [cri.PodSandboxStats(attributes=cri.PodSandboxAttributes(id=id_)) for id_ in self.pods]
        return cri.ListPodSandboxStatsResponse(stats=stats)

    def _do_ExecSync(self, request: Any) -> Any:
        done = subprocess.run(list(request.cmd), capture_output=True, check=False)
        return cri.ExecSyncResponse(stdout=done.stdout, stderr=done.stderr, exit_code=done.returncode)

    def _of(self, pod: str) -> list[cri.Container]:
        return [each for each in self.containers.values() if each.pod_sandbox_id == pod]


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, fake: FakeRuntime) -> None:
        self._fake = fake

    def service(self, details: Any) -> Any:
        service, _, rpc = details.method.removeprefix("/").rpartition("/")
        package, _, name = service.rpartition(".")
        known = name in {"RuntimeService", "ImageService"} and rpc in MESSAGES and rpc not in self._fake.lacks
        if package != self._fake.package or not known:
            return None  # gRPC answers UNIMPLEMENTED

        async def handle(content: bytes, context: Any) -> bytes:
            if rpc in self._fake.status:
                await context.abort(self._fake.status[rpc], f"{rpc} was to fail")
            try:
                return self._fake.answer(rpc, content)
            except RefusedError as refused:
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(refused))
                raise

        return grpc.unary_unary_rpc_method_handler(handle)


def run(settings: dict[str, Any], ready: Connection) -> None:
    """Be a process that serves until it is ended, and says when it does."""
    asyncio.run(_serve(settings, ready))


async def _serve(settings: dict[str, Any], ready: Connection) -> None:
    settings["address"] = Path(settings["address"])
    settings["status"] = {rpc: grpc.StatusCode[name] for rpc, name in settings.get("status", {}).items()}
    async with FakeRuntime(**settings) as fake:
        assert fake.server is not None
        ready.send(True)
        await fake.server.wait_for_termination()
