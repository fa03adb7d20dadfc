"""A private containerd without its CRI plugin, and a client in a namespace of each test's own.

The environment variable CONTAINERD_BINARIES names a folder with another containerd and its shims (1.7, 2.x) to use
instead of the installed one. Most test bodies are in tests/containerd_behaviour, which the fake has to pass too.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
from pathlib import Path

import pytest

from containerd_client import Containerd, Hop
from lab.containerd import PrivateContainerd

NUMBERS = itertools.count()


def pytest_collection_modifyitems(items):
    """All tests of this folder need root and a containerd of Debian's."""
    usable = os.geteuid() == 0 and shutil.which("containerd") is not None
    for item in items:
        if "integration/containerd_client" in str(item.path):
            item.add_marker(pytest.mark.root)
            if not usable:
                item.add_marker(pytest.mark.skip(reason="needs root and containerd"))


class RealDaemon:
    """A private containerd, off the event loop."""

    def __init__(self, directory: Path) -> None:
        binaries = os.environ.get("CONTAINERD_BINARIES")
        self.private = PrivateContainerd(directory, cri_plugin=False, binaries=Path(binaries) if binaries else None)

    @property
    def address(self) -> str:
        return self.private.address

    @property
    def away_seconds(self) -> float:
        return 2.0

    async def kill9(self) -> None:
        await asyncio.to_thread(self.private.kill9)

    async def start(self) -> None:
        await asyncio.to_thread(self.private.start)

    async def restart(self, away: float = 0) -> None:
        await asyncio.to_thread(self.private.restart, away)

    async def kill_shims(self) -> None:
        for pid, _ in await asyncio.to_thread(self.private.shims):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """One containerd for the tests that leave it running."""
    daemon = RealDaemon(tmp_path_factory.mktemp("c"))
    daemon.private.start()
    yield daemon
    daemon.private.stop()


@pytest.fixture
def own(tmp_path_factory):
    """One containerd for a test that ends it."""
    daemon = RealDaemon(tmp_path_factory.mktemp("c"))
    daemon.private.start()
    yield daemon
    daemon.private.stop()


@pytest.fixture
def hops() -> list[Hop]:
    return []


@pytest.fixture
async def client(shared, hops):
    # Its own also among runs beside it: runc knows containers by namespace and id, whatever the containerd.
    namespace = f"client-{os.getpid()}-{next(NUMBERS)}"
    async with Containerd(shared.address, namespace=namespace, on_hop=hops.append) as client:
        await client.namespaces.ensure(namespace)
        hops.clear()
        yield client


@pytest.fixture
async def version(client, hops) -> tuple[int, int]:
    """Major and minor number of the containerd under test."""
    major, minor = (await client.version.get()).version.split(".")[:2]
    hops.clear()
    return int(major), int(minor)
