"""One node with a running pod for the tests of this folder, and the npm package that they speak SPDY with."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from lab.lab import Lab
from lab.pod_configs import sh
from lab.pods import Pod
from tests.integration.streaming.peer import SpdyPeer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lab.pods import Container

PACKAGE = "spdy-transport@3.0.0"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab() -> AsyncIterator[Lab]:
    """A private containerd with the daemon in front of it."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    async with Lab("bridge", settings={"stream": {"stream_idle_timeout": "60s"}}) as lab:
        yield lab


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pod(lab: Lab) -> Pod:
    """A pod that is there for all tests."""
    directory = lab.logs / "streaming"
    directory.mkdir()
    return await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent, log_directory=directory)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def container(pod: Pod) -> Container:
    """A container that does nothing but live."""
    return await pod.start(command=sh("trap 'exit 0' TERM; while :; do sleep 1; done"))


@pytest.fixture(scope="session")
def spdy(tmp_path_factory: pytest.TempPathFactory) -> SpdyPeer:
    """npm's spdy-transport."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed")
    directory = tmp_path_factory.mktemp("npm")
    command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(directory), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        pytest.skip(f"npm could not install {PACKAGE}: {done.stderr[-300:]}")
    return SpdyPeer(node, directory / "node_modules")
