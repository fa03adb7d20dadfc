"""containerd.services.sandbox.v1 Controller (1.7 and later): run sandboxes through shims or proxy plugins.

``sandboxer`` chooses the controller; 1.7 has only one and ignores it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from containerd_client.api.containerd.services.sandbox.v1 import sandbox_pb2 as pb
from containerd_client.call import Unary
from containerd_client.errors import NotFound
from containerd_client.exits import Exit, exit_of_wait
from containerd_client.sandboxes import with_runtime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.any_pb2 import Any

    from containerd_client.api.containerd.types import types_pb2
    from containerd_client.channel import Connection

_SERVICE = "containerd.services.sandbox.v1.Controller"
_READY: Final = "SANDBOX_READY"


class SandboxController:
    """The sandbox controller, reached as ``client.sandbox_controller``; raises Unimplemented before 1.7."""

    def __init__(self, connection: Connection) -> None:
        self._create: Unary[pb.ControllerCreateRequest, pb.ControllerCreateResponse] = Unary(
            connection, f"{_SERVICE}/Create", pb.ControllerCreateResponse.FromString, check=self._check_created
        )
        self._start: Unary[pb.ControllerStartRequest, pb.ControllerStartResponse] = Unary(
            connection, f"{_SERVICE}/Start", pb.ControllerStartResponse.FromString, check=self._check_started
        )
        self._platform: Unary[pb.ControllerPlatformRequest, pb.ControllerPlatformResponse] = Unary(
            connection, f"{_SERVICE}/Platform", pb.ControllerPlatformResponse.FromString
        )
        self._stop: Unary[pb.ControllerStopRequest, pb.ControllerStopResponse] = Unary(
            connection, f"{_SERVICE}/Stop", pb.ControllerStopResponse.FromString
        )
        self._wait: Unary[pb.ControllerWaitRequest, pb.ControllerWaitResponse] = Unary(
            connection, f"{_SERVICE}/Wait", pb.ControllerWaitResponse.FromString, channel=connection.streams
        )
        self._status: Unary[pb.ControllerStatusRequest, pb.ControllerStatusResponse] = Unary(
            connection, f"{_SERVICE}/Status", pb.ControllerStatusResponse.FromString
        )
        self._shutdown: Unary[pb.ControllerShutdownRequest, pb.ControllerShutdownResponse] = Unary(
            connection, f"{_SERVICE}/Shutdown", pb.ControllerShutdownResponse.FromString
        )
        self._metrics: Unary[pb.ControllerMetricsRequest, pb.ControllerMetricsResponse] = Unary(
            connection, f"{_SERVICE}/Metrics", pb.ControllerMetricsResponse.FromString
        )
        self._update: Unary[pb.ControllerUpdateRequest, pb.ControllerUpdateResponse] = Unary(
            connection, f"{_SERVICE}/Update", pb.ControllerUpdateResponse.FromString
        )

    async def create(
        self,
        sandbox_id: str,
        *,
        rootfs: Iterable[types_pb2.Mount] = (),
        options: Any | None = None,
        netns_path: str = "",
        annotations: Mapping[str, str] | None = None,
        sandbox: types_pb2.Sandbox | None = None,
        sandboxer: str = "",
    ) -> None:
        """Prepare a sandbox; raises AlreadyExists."""
        await self._create(
            pb.ControllerCreateRequest(
                sandbox_id=sandbox_id,
                rootfs=rootfs,
                options=options,
                netns_path=netns_path,
                annotations=annotations,
                sandbox=None if sandbox is None else with_runtime(sandbox),
                sandboxer=sandboxer,
            )
        )

    async def start(self, sandbox_id: str, *, sandboxer: str = "") -> pb.ControllerStartResponse:
        """Run the sandbox; returns its pid, start time, labels and the address of its task service."""
        return await self._start(pb.ControllerStartRequest(sandbox_id=sandbox_id, sandboxer=sandboxer))

    async def platform(self, sandbox_id: str, *, sandboxer: str = "") -> types_pb2.Platform:
        """Return the platform that the sandbox's containers need."""
        request = pb.ControllerPlatformRequest(sandbox_id=sandbox_id, sandboxer=sandboxer)
        return (await self._platform(request)).platform

    async def stop(self, sandbox_id: str, *, timeout_secs: int = 0, sandboxer: str = "") -> None:
        """Stop the sandbox within ``timeout_secs`` seconds."""
        await self._stop(
            pb.ControllerStopRequest(sandbox_id=sandbox_id, timeout_secs=timeout_secs, sandboxer=sandboxer)
        )

    async def wait(self, sandbox_id: str, *, sandboxer: str = "") -> Exit:
        """Return the exit of the sandbox once it has ended; start long waits under ``detached_options``."""
        return exit_of_wait(await self._wait(pb.ControllerWaitRequest(sandbox_id=sandbox_id, sandboxer=sandboxer)))

    async def status(
        self, sandbox_id: str, *, verbose: bool = False, sandboxer: str = ""
    ) -> pb.ControllerStatusResponse:
        """Return the state of the sandbox; raises NotFound."""
        return await self._status(
            pb.ControllerStatusRequest(sandbox_id=sandbox_id, verbose=verbose, sandboxer=sandboxer)
        )

    async def shutdown(self, sandbox_id: str, *, sandboxer: str = "") -> None:
        """Remove the sandbox with everything it holds."""
        await self._shutdown(pb.ControllerShutdownRequest(sandbox_id=sandbox_id, sandboxer=sandboxer))

    async def metrics(self, sandbox_id: str, *, sandboxer: str = "") -> types_pb2.Metric:
        """Return the sandbox's cgroup metrics."""
        request = pb.ControllerMetricsRequest(sandbox_id=sandbox_id, sandboxer=sandboxer)
        return (await self._metrics(request)).metrics

    async def update(self, sandbox_id: str, sandbox: types_pb2.Sandbox, *fieldpaths: str, sandboxer: str = "") -> None:
        """Change the fields at ``fieldpaths`` of a running sandbox (2.1 and later)."""
        await self._update(
            pb.ControllerUpdateRequest(
                sandbox_id=sandbox_id, sandboxer=sandboxer, sandbox=with_runtime(sandbox), fields=fieldpaths
            )
        )

    async def _find(self, sandbox_id: str, sandboxer: str) -> pb.ControllerStatusResponse | None:
        try:
            return await self.status(sandbox_id, sandboxer=sandboxer)
        except NotFound:
            return None

    async def _check_created(self, request: pb.ControllerCreateRequest) -> pb.ControllerCreateResponse | None:
        existing = await self._find(request.sandbox_id, request.sandboxer)
        return None if existing is None else pb.ControllerCreateResponse(sandbox_id=request.sandbox_id)

    async def _check_started(self, request: pb.ControllerStartRequest) -> pb.ControllerStartResponse | None:
        existing = await self._find(request.sandbox_id, request.sandboxer)
        if existing is None or existing.state != _READY:
            return None
        return pb.ControllerStartResponse(
            sandbox_id=existing.sandbox_id,
            pid=existing.pid,
            created_at=existing.created_at,
            address=existing.address,
            version=existing.version,
        )
