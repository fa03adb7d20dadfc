"""Everything that a test of a whole service works with, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fakes.service import until_idle
from tests.unit.crash_matrix.leftovers import difference, leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.cgroups import FakeCgroups
    from tests.fakes.cni import FakeCni
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client
    from tests.fakes.kernel import RecordingKernel
    from tests.unit.crash_matrix.kubelet import Kubelet


@dataclass
class Node:
    """A service with everything around it, and a kubelet whose image is there."""

    service: Service
    fake: FakeContainerd
    kernel: RecordingKernel
    cni: FakeCni
    cgroups: FakeCgroups
    client: Client
    kubelet: Kubelet
    directory: Path
    """The test's own; the service's files are below it."""

    async def running(self) -> str:
        """Run a container in a pod, and return its id when nothing is left to do in the background."""
        _, _, id_ = await self.kubelet.running_container()
        await self.until_idle()
        return id_

    async def until_idle(self) -> None:
        """Return when no operation is in flight."""
        await until_idle(self.service)

    def there(self) -> dict[str, list[str]]:
        """Return everything that there is now, by kind."""
        return leftovers(self.service, self.fake, self.kernel, self.cni, self.directory)

    def changed(self, before: dict[str, list[str]]) -> str:
        """Say what is there that was not, and what has gone; empty when nothing has changed."""
        return difference(before, self.there())

    def hops(self, *methods: str, since: int = 0) -> list[str]:
        """Return the calls of ``methods`` in the order in which containerd saw them."""
        return [call.method for call in self.fake.calls[since:] if call.method in methods]

    def asked(self, since: int) -> list[str]:
        """Return the calls about containers, processes and images, with which a request would begin.

        Others may come at any moment: the service looks at snapshots, content, leases and the version on its own.
        """
        return [
            call.method
            for call in self.fake.calls[since:]
            if call.method.partition("/")[0] in {"Containers", "Tasks", "Images"}
        ]
