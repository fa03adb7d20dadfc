"""What unit tests of several folders share."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.cni import FakeCni
from tests.fakes.containerd import FakeContainerd
from tests.fakes.cri import Client
from tests.fakes.kernel import RecordingKernel
from tests.fakes.service import make_service
from tests.unit.crash_matrix.summary import (
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)
from tests.unit.measured import choose_measured, pytest_collection, pytest_runtest_protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from cri_shim.service import Service


__all__ = [
    "pytest_collection",
    "pytest_runtest_protocol",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
]

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a worker of pytest-xdist: begin with the crash matrix, so that the longest test does not end alone."""
    choose_measured(items)
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: "crash_matrix" not in item.path.parts)


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeContainerd]:
    """A containerd without anything in it."""
    async with FakeContainerd(tmp_path / "c.sock") as fake:
        yield fake


@pytest.fixture
def kernel() -> RecordingKernel:
    """The kernel of :func:`service`."""
    return RecordingKernel()


@pytest.fixture
def cni(tmp_path: Path) -> FakeCni:
    """The network of :func:`service`."""
    return FakeCni(tmp_path / "cni")


@pytest.fixture
async def service(
    fake: FakeContainerd, kernel: RecordingKernel, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Service]:
    """A whole service, ready to answer. Settings come by indirect parametrisation."""
    async with make_service(fake, kernel, tmp_path, **getattr(request, "param", {})) as service:
        yield service


@pytest.fixture
def client(service: Service) -> Client:
    """A client of :func:`service`, which is told what a client of the daemon is told."""
    return Client(service)


@pytest.fixture
def emptied_by_rm(tmp_path: Path) -> Iterator[None]:
    """Remove what a test has put into ``tmp_path``, also when it fails.

    pytest removes old directories by a function that calls itself for each level, and never gets rid of a deep one.
    """
    yield
    subprocess.run(["rm", "-rf", "--", *tmp_path.iterdir()], check=True)
