"""One service in front of one fake containerd, which many cells of the matrix use one after the other."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from containerd_client.api.containerd.services.tasks.v1 import tasks_pb2
from lab.images import Tree, build_image
from tests.fakes.cni import FakeCni
from tests.fakes.containerd import FakeContainerd, FaultKind
from tests.fakes.cri import Client
from tests.fakes.kernel import RecordingKernel
from tests.fakes.registry import FaultyRegistry
from tests.fakes.service import make_service
from tests.unit.crash_matrix.kubelet import Kubelet
from tests.unit.crash_matrix.leftovers import difference, leftovers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.containerd import Call, Fault
    from tests.unit.crash_matrix.clock import JumpingLoop

IMAGE = "registry.test/app:1"

IDLE_SECONDS = 400.0
"""How long what was left to the background may take, on the loop's clock."""

_POLL_EVERY = 0.5
"""Seconds between looks, on the loop's clock, which jumps over them."""

_STREAMS = frozenset(
    {"Events/Subscribe", "Content/Read", "Content/Write", "Content/List", "Snapshots/List", "Containers/ListStream"}
)


@dataclass
class World:
    """What a cell works with."""

    service: Service
    fake: FakeContainerd
    kernel: RecordingKernel
    cni: FakeCni
    kubelet: Kubelet
    directory: Path

    def leftovers(self) -> dict[str, list[str]]:
        """Return everything there is."""
        return leftovers(self.service, self.fake, self.kernel, self.cni, self.directory)

    async def until_idle(self) -> None:
        """Return when containerd is known to be there and nothing is in flight."""
        async with asyncio.timeout(IDLE_SECONDS):
            while not self.service.readiness.ready or len(self.service.operations):
                await asyncio.sleep(_POLL_EVERY)

    async def until_only(self, before: dict[str, list[str]]) -> str:
        """Wait until everything is as it was before; return what is not, if it takes too long."""
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                while difference(before, self.leftovers()):
                    await asyncio.sleep(_POLL_EVERY)
        except TimeoutError:
            return difference(before, self.leftovers())
        return ""

    def hops_since(self, order: int) -> list[str]:
        """Return the methods of all calls with one answer from the call number ``order`` on."""
        return [call.method for call in self.fake.calls[order:] if call.method not in _STREAMS]

    def add_missing_images(self) -> None:
        """Put back what a case has removed."""
        if IMAGE not in self.fake.state[self.service.config.containerd.namespace].images:
            self.fake.add_image(IMAGE)

    def forget_what_is_cached(self) -> None:
        """Have the next request read again what a service reads once for each image."""
        self.service.image_files._users.clear()


class HoldingContainerd(FakeContainerd):
    """A fake that knows how many calls it holds back.

    Those are the calls that hang, the ones whose answer is late, and the waits for processes that run.
    """

    late = 0

    @property
    def held(self) -> int:
        """How many there are now."""
        return self.late + self.faults.hanging + sum(map(self._waits, self._running))

    def _waits(self, call: Call) -> bool:
        if call.method != "Tasks/Wait" or not isinstance(call.request, tasks_pb2.WaitRequest):
            return False
        task = self.state[call.namespace].tasks.get(call.request.container_id)
        if task is None:
            return False
        process = task.execs.get(call.request.exec_id, task.init)
        return not process.ended.is_set()

    async def after(self, fault: Fault | None) -> None:
        """Count a late answer for as long as it is late."""
        is_late = fault is not None and fault.kind is FaultKind.LATE
        self.late += is_late
        try:
            await super().after(fault)
        finally:
            self.late -= is_late


@asynccontextmanager
async def make_world(directory: Path, infra: str, *, direct: bool) -> AsyncIterator[World]:
    """Make one; ``infra`` is what holds the namespaces of its pods, and ``direct`` whether the kernel has processes."""
    directory.mkdir(parents=True)
    kernel = RecordingKernel()
    image = build_image(Tree().file("etc/motd", b"pulled").layer())
    with FaultyRegistry({"pulled:1": image}) as registry:
        async with _world(directory, infra, kernel, f"{registry.address}/pulled:1") as world:
            kernel.processes = world.fake.signal_init if direct else None
            yield world


@asynccontextmanager
async def _world(directory: Path, infra: str, kernel: RecordingKernel, to_pull: str) -> AsyncIterator[World]:
    async with HoldingContainerd(directory / "c.sock") as fake:
        fake.add_image(IMAGE)
        async with make_service(fake, kernel, directory, sandbox={"infra": infra}) as service:
            # A registry is at work of which the clock knows nothing, unless the pull waits for containerd.
            held = lambda: fake.held or -service.puller.in_flight
            cast("JumpingLoop", asyncio.get_running_loop()).held = held
            kubelet = Kubelet(Client(service), IMAGE, directory / "logs", to_pull=to_pull)
            yield World(service, fake, kernel, FakeCni(directory / "cni"), kubelet, directory)
