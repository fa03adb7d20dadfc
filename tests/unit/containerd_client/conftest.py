"""A scripted server, a client of it, and the hops that the client reported."""

from __future__ import annotations

import pytest

from containerd_client import Containerd, Hop
from tests.unit.containerd_client.fake import FakeContainerd


@pytest.fixture
def hops() -> list[Hop]:
    return []


@pytest.fixture
async def fake(tmp_path):
    server = FakeContainerd(str(tmp_path / "f.sock"))
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def client(fake, hops):
    async with Containerd(fake.address, namespace="ns", on_hop=hops.append) as client:
        yield client
