"""A private containerd without its CRI plugin, a real registry, and the parts under test between them.

The environment variable CONTAINERD_BINARIES names a folder with another containerd (1.7, 2.x) to use instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from containerd_client import Containerd
from containerd_client.distribution.registries.registry import RegistryClient
from cri_shim.concurrency.operations import Operations
from cri_shim.images.puller import ImagePuller, PullSettings
from cri_shim.images.store import ImageStore
from cri_shim.sync.snapshot_usage import SnapshotUsage
from lab.containerd import PrivateContainerd
from lab.registry import Registry
from tests.integration.images.raw_server import RawServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMES = itertools.count()


@pytest.fixture(scope="session")
def containerd(tmp_path_factory):
    """One containerd for all tests here; each test has a namespace of its own."""
    binaries = os.environ.get("CONTAINERD_BINARIES")
    private = PrivateContainerd(
        tmp_path_factory.mktemp("c"), cri_plugin=False, binaries=Path(binaries) if binaries else None
    )
    private.start()
    yield private
    private.stop()


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """One registry for all tests here; each test has repositories of its own."""
    with Registry.start(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
async def client():
    """A client of registries that does not wait for one that is busy."""
    client = RegistryClient(patience=0)
    yield client
    await client.close()


@dataclass(slots=True)
class Parts:
    """What an RPC would find in its service."""

    containerd: Containerd
    daemon: PrivateContainerd
    images: ImageStore
    puller: ImagePuller
    snapshot_usage: SnapshotUsage
    operations: Operations = field(default_factory=Operations)
    config: Any = None
    watching: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def namespace(self) -> str:
        """The test's own containerd namespace."""
        return self.containerd.namespace

    def ctr(self, *arguments: str) -> str:
        """Do something behind the daemon's back."""
        return self.daemon.ctr(*arguments, namespace=self.namespace)

    async def watch(self) -> None:
        """Let events reach the image store, as the daemon does; returns when they do."""
        opened = asyncio.Event()

        async def on_open() -> None:
            await self.images.load_all()
            opened.set()

        async def run() -> None:
            async for envelope in self.containerd.events.forever('topic~="/images/"', on_open=on_open):
                await self.images.on_event(envelope)

        self.watching.append(asyncio.create_task(run()))
        await asyncio.wait_for(opened.wait(), 10)

    async def left(self) -> dict[str, list[str]]:
        """Everything of the namespace that is not nothing, after the garbage collector ran."""
        await self.collect()
        client = self.containerd
        remaining = {
            "images": [image.name for image in await client.images.list()],
            "content": [info.digest for info in await client.content.walk()],
            "ingests": [status.ref for status in await client.content.list_statuses()],
            "snapshots": [info.name for info in await client.snapshots("overlayfs").list()],
            "leases": [lease.id for lease in await client.leases.list()],
        }
        return {kind: names for kind, names in remaining.items() if names}

    async def collect(self) -> None:
        """Run containerd's garbage collector."""
        lease = await self.containerd.leases.create()
        await self.containerd.leases.delete(lease.id, sync=True)


@contextlib.asynccontextmanager
async def parts_of(daemon: PrivateContainerd, namespace: str, **settings: Any) -> AsyncIterator[Parts]:
    """Build the parts for one namespace; ``settings`` go to the puller."""
    async with Containerd(daemon.address, namespace=namespace) as client:
        pinned = settings.pop("pinned", ())
        images = ImageStore(client, pinned=pinned)
        registry = settings.pop("registry", None)
        puller = ImagePuller(client, images, PullSettings(**settings), registry)
        parts = Parts(client, daemon, images, puller, SnapshotUsage(client))
        try:
            yield parts
        finally:
            for task in parts.watching:
                task.cancel()
            await asyncio.gather(*parts.watching, return_exceptions=True)
            await puller.close()


@pytest.fixture
async def parts(containerd):
    """The parts, in a namespace of the test's own."""
    async with parts_of(containerd, f"test-{next(NAMES)}") as made:
        yield made


@pytest.fixture
async def server():
    """A server that answers with any bytes that a test gives it."""
    async with RawServer() as running:
        yield running
