"""A private containerd without its CRI plugin, and a client in a namespace of each test's own.

The environment variable CONTAINERD_BINARIES names a folder with another containerd and its shims (1.7, 2.x) to use
instead of the installed one.
"""

from __future__ import annotations

import itertools
import os
import shutil
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


def private_containerd(directory: Path) -> PrivateContainerd:
    binaries = os.environ.get("CONTAINERD_BINARIES")
    return PrivateContainerd(directory, cri_plugin=False, binaries=Path(binaries) if binaries else None)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """One containerd for the tests that leave it running."""
    private = private_containerd(tmp_path_factory.mktemp("c"))
    private.start()
    yield private
    private.stop()


@pytest.fixture
def own(tmp_path_factory):
    """One containerd for a test that ends it."""
    private = private_containerd(tmp_path_factory.mktemp("c"))
    private.start()
    yield private
    private.stop()


@pytest.fixture
def hops() -> list[Hop]:
    return []


@pytest.fixture
async def client(shared, hops):
    namespace = f"client-{next(NUMBERS)}"
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
