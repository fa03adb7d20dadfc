"""A node on which daemons start, one after the other, on one containerd."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.fakes.cri import Client
from tests.fakes.service import make_service, until_idle
from tests.unit.crash_matrix.kubelet import Kubelet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.containerd.state import Space
    from tests.fakes.kernel import RecordingKernel

IMAGE = "example.com/app:1"


@dataclass
class Machine:
    """A node on which daemons start, one after the other."""

    fake: FakeContainerd
    kernel: RecordingKernel
    directory: Path

    @property
    def space(self) -> Space:
        """What containerd has."""
        return self.fake.state["k8s.io"]

    @asynccontextmanager
    async def daemon(self, **settings: Any) -> AsyncIterator[Service]:
        """A daemon that has read containerd."""
        async with make_service(self.fake, self.kernel, self.directory, **settings) as service:
            yield service

    async def running(self, service: Service) -> tuple[str, str]:
        """Run a pod with a container."""
        kubelet = Kubelet(Client(service), IMAGE, self.directory / "logs")
        pod_id, _, id_ = await kubelet.running_container()
        await until_idle(service)
        return pod_id, id_
