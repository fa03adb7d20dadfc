"""The fake itself: services behind one gRPC server on a unix socket, with faults in front and a record of all calls."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import grpc
import grpc.aio

from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from tests.fakes.containerd.backend import AWAY, Backend
from tests.fakes.containerd.calls import Call
from tests.fakes.containerd.containers import Containers
from tests.fakes.containerd.content import Content
from tests.fakes.containerd.diff import Diff
from tests.fakes.containerd.dispatch import Dispatch
from tests.fakes.containerd.events import Events
from tests.fakes.containerd.faults import Fault, FaultKind, Faults
from tests.fakes.containerd.images import Images
from tests.fakes.containerd.introspection import Introspection
from tests.fakes.containerd.leases import Leases
from tests.fakes.containerd.namespaces import Namespaces
from tests.fakes.containerd.prepared_images import add_image
from tests.fakes.containerd.refusals import bare
from tests.fakes.containerd.snapshots import Snapshots
from tests.fakes.containerd.tasks import Tasks
from tests.fakes.containerd.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from containerd_client.api.containerd.services.images.v1 import images_pb2
    from tests.fakes.containerd.bus import Bus
    from tests.fakes.containerd.processes import Processes, Task
    from tests.fakes.containerd.state import State

NAMESPACE = "k8s.io"
"""The namespace that the fake's helper functions use by default."""
MAX_MESSAGE_BYTES = 16 << 20
_SIGNALLED = (task_types.CREATED, task_types.RUNNING)


class FakeContainerd:
    """``async with FakeContainerd(path, version="1.6.20") as fake:`` a containerd without root, shims and processes.

    ``version`` decides texts and behaviours that differ between 1.6, 1.7 and 2.x. Snapshots get directories below
    ``root``, by default beside the socket.
    """

    def __init__(self, socket_path: str | Path, *, version: str = "1.6.20", root: str | Path | None = None) -> None:
        self.socket_path = str(socket_path)
        self.version = version
        numbers = re.match(r"v?(\d+)\.(\d+)", version)
        if numbers is None:
            raise ValueError(f"not a version of containerd: {version}")
        place = Path(root) if root is not None else Path(socket_path).with_name("root")
        self.backend = Backend(place, (int(numbers[1]), int(numbers[2])))
        self.calls: list[Call] = []
        self.faults = Faults()
        self.containers = Containers(self.backend)
        self.content = Content(self.backend)
        self.diff = Diff(self.backend)
        self.events = Events(self.backend)
        self.images = Images(self.backend)
        self.introspection = Introspection(self.backend)
        self.leases = Leases(self.backend)
        self.namespaces = Namespaces(self.backend)
        self.snapshots = Snapshots(self.backend)
        self.tasks = Tasks(self.backend)
        self._server: grpc.aio.Server | None = None
        self._running: set[Call] = set()
        self._leaving: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """What a client connects to."""
        return self.socket_path

    @property
    def state(self) -> State:
        """What is there, by namespace; it outlives the daemon's death."""
        return self.backend.state

    @property
    def bus(self) -> Bus:
        """The events."""
        return self.backend.bus

    @property
    def processes(self) -> Processes:
        """What processes do: see ``processes.program``."""
        return self.backend.processes

    async def __aenter__(self) -> Self:
        await self.come_back()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        del kind, error, at
        await self.go_away()
        for space in self.state.spaces.values():
            for task in space.tasks.values():
                for process in task.processes():
                    process.close_output()
        Path(self.socket_path).unlink(missing_ok=True)

    async def come_back(self) -> None:
        """Start to listen, with everything that was there before; what shims report meanwhile is lost."""
        if self._leaving is not None:
            await self._leaving
            self._leaving = None
        if self._server is not None:
            return
        self._loop = asyncio.get_running_loop()
        with suppress(FileNotFoundError):
            Path(self.socket_path).unlink()
        self.backend.arrive()
        limits = [
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),
        ]
        self._server = grpc.aio.server(options=limits)
        services = (
            self.containers,
            self.content,
            self.diff,
            self.events,
            self.images,
            self.introspection,
            self.leases,
            self.namespaces,
            self.snapshots,
            self.tasks,
            Version(self.version),
        )
        self._server.add_generic_rpc_handlers((Dispatch(self, services),))
        self._server.add_insecure_port(f"unix:{self.socket_path}")
        await self._server.start()

    async def go_away(self) -> None:
        """Die as by SIGKILL: calls under way break with UNAVAILABLE, the socket refuses, the state stays."""
        if self._leaving is None and self._server is not None:
            self._die()
        if self._leaving is not None:
            await self._leaving

    def release(self) -> None:
        """Let calls that hang go on."""
        self.faults.release()

    def called(self, method: str) -> list[Call]:
        """Return the calls of a method so far, ``Tasks/Create``."""
        return [call for call in self.calls if call.method == method]

    def give_pid(self, container_id: str, pid: int, exec_id: str = "") -> None:
        """Have the next process of that name carry a real pid, for code that looks into /proc."""
        self.processes.given_pids[container_id, exec_id] = pid

    def task(self, container_id: str, namespace: str = NAMESPACE) -> Task:
        """Return a task; raises KeyError."""
        return self.state[namespace].tasks[container_id]

    def exit_task(self, container_id: str, code: int, exec_id: str = "", *, namespace: str = NAMESPACE) -> None:
        """End a process, with its event."""
        self.processes.exit(namespace, self.task(container_id, namespace), code, exec_id)

    def signal_init(self, pid: int, number: int, container_id: str) -> bool:
        """Signal a container's own process as the kernel does, without the daemon; return False if it cannot be.

        That is when the process is not there, is not the first one of a PID namespace of its own, or is frozen. It may
        be called from any thread.
        """
        for namespace, space in list(self.state.spaces.items()):
            task = space.tasks.get(container_id)
            if task is not None and task.init.pid == pid and task.status_of(task.init) in _SIGNALLED:
                spec = json.loads(space.containers[container_id].spec.value)
                if not any(each == {"type": "pid"} for each in spec["linux"]["namespaces"]):
                    return False
                self._loop.call_soon_threadsafe(self.processes.signal, namespace, task.init, number)
                return True
        return False

    def oom(self, container_id: str, *, namespace: str = NAMESPACE) -> None:
        """Report that the kernel killed a process of the container for want of memory; the process is not ended."""
        self.bus.publish(namespace, "/tasks/oom", events_pb2.TaskOOM(container_id=container_id))

    def kill_shim(self, container_id: str, *, namespace: str = NAMESPACE) -> None:
        """Have the shim of a task die with its processes."""
        self.processes.lose_shim(namespace, self.task(container_id, namespace))

    def collect_garbage(self) -> None:
        """Run the garbage collector now, as containerd does some time after a removal."""
        self.backend.collect_garbage()

    def add_image(
        self,
        reference: str,
        *,
        config: Mapping[str, Any] | None = None,
        layers: list[dict[str, bytes]] | None = None,
        labels: Mapping[str, str] | None = None,
        snapshotter: str = "overlayfs",
        namespace: str = NAMESPACE,
    ) -> images_pb2.Image:
        """Put an image there, pulled and unpacked; see :func:`prepared_images.add_image`."""
        return add_image(
            self.backend,
            reference,
            config=config or {},
            layers=layers or [{"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n"}],
            labels=labels or {},
            snapshotter=snapshotter,
            namespace=namespace,
        )

    def begin(self, method: str, context: grpc.aio.ServicerContext[Any, Any]) -> Call:
        """Record a call that arrives."""
        header = {str(key): str(value) for key, value in context.invocation_metadata() or ()}
        call = Call(method, None, len(self.calls), time.monotonic(), header)
        self.calls.append(call)
        self._running.add(call)
        return call

    def end(self, call: Call) -> None:
        """Record the end of a call."""
        call.ended = time.monotonic()
        call.code = call.code or "CANCELLED"
        self._running.discard(call)

    async def before(self, call: Call, *, unary: bool) -> Fault | None:
        """Let a fault strike before the work; returns it, as it may have more to do after the work."""
        if not self.backend.here:
            raise bare(grpc.StatusCode.UNAVAILABLE, AWAY)
        fault = self.faults.strike(call.method, unary=unary)
        if fault is None:
            return None
        if fault.moment is not None:
            await self.backend.until_gone(fault.moment.wait())
        if fault.kind is FaultKind.UNAVAILABLE:
            raise bare(grpc.StatusCode.UNAVAILABLE, fault.text or "injected: unavailable")
        if fault.kind is FaultKind.UNKNOWN:
            raise bare(grpc.StatusCode.UNKNOWN, fault.text or "injected: unknown")
        if fault.kind is FaultKind.GONE:
            self._die()
            raise bare(grpc.StatusCode.UNAVAILABLE, AWAY)
        if fault.kind is FaultKind.HANG:
            await self.backend.until_gone(self.faults.hang())
        return fault

    async def after(self, fault: Fault | None) -> None:
        """Let a fault strike between the work and the answer."""
        if fault is None:
            return
        if fault.kind is FaultKind.ANSWER_LOST:
            raise bare(grpc.StatusCode.UNAVAILABLE, AWAY)
        if fault.kind is FaultKind.LATE:
            await self.backend.until_gone(asyncio.sleep(fault.seconds))

    def _die(self) -> None:
        if self._leaving is None:
            self.backend.leave()
            self._leaving = asyncio.get_running_loop().create_task(self._leave())

    async def _leave(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        # Calls under way notice by themselves and answer UNAVAILABLE, which is what a broken connection looks like;
        # stopping first would have gRPC cancel them, which no client of a dying daemon ever sees.
        async with asyncio.timeout(5):
            while self._running:
                await asyncio.sleep(0)
        await server.stop(None)
        # gRPC takes the socket's file away; that of a killed containerd stays, and refuses.
        with suppress(OSError), socket.socket(socket.AF_UNIX) as dead:
            dead.bind(self.socket_path)
