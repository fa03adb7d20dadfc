"""The fake as each of the containerd versions that are supported, in the place of a real one."""

from __future__ import annotations

import asyncio

import pytest

from containerd_client import Containerd, Hop
from tests.fakes.containerd import FakeContainerd

VERSIONS = ("1.6.20~ds1", "1.7.24", "2.1.9+unknown")


class FakeDaemon(FakeContainerd):
    """The fake, with the names of tests.containerd_behaviour.Daemon."""

    @property
    def away_seconds(self) -> float:
        return 0.1

    async def kill9(self) -> None:
        await self.go_away()

    async def start(self) -> None:
        await self.come_back()

    async def restart(self, away: float = 0) -> None:
        await self.go_away()
        await asyncio.sleep(away)
        await self.come_back()

    async def kill_shims(self) -> None:
        for namespace in self.state:
            for container_id in list(self.state[namespace].tasks):
                self.kill_shim(container_id, namespace=namespace)


@pytest.fixture(params=VERSIONS, ids=lambda version: version.rpartition(".")[0])
async def shared(request, tmp_path):
    """One fake for each test: it starts faster than it could be tidied up."""
    async with FakeDaemon(tmp_path / "c.sock", version=request.param) as daemon:
        yield daemon


@pytest.fixture
def own(shared):
    """The same one; the test may kill it."""
    return shared


@pytest.fixture
def hops() -> list[Hop]:
    return []


@pytest.fixture
async def client(shared, hops):
    async with Containerd(shared.address, namespace="client-0", on_hop=hops.append) as client:
        await client.namespaces.ensure("client-0")
        hops.clear()
        yield client


@pytest.fixture
async def version(client, hops) -> tuple[int, int]:
    """Major and minor number that the fake plays."""
    major, minor = (await client.version.get()).version.split(".")[:2]
    hops.clear()
    return int(major), int(minor)
