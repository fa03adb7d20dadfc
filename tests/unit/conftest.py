"""What unit tests of several folders share."""

from __future__ import annotations

import subprocess
from collections import Counter
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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from cri_shim.service import Service


__all__ = ["pytest_sessionfinish", "pytest_terminal_summary", "pytest_testnodedown"]

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

MEASURED = {"rpc", "lifecycle", "sync"}
"""Folders of tests whose rooms `make unit` holds to a share of covered branches."""

MEASURED_CASES = 2
"""How many cases of a parametrised test count for that."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Measure coverage by some tests of the rooms that are measured, because it makes a test half as slow again.

    Of a parametrised test those are its first cases: the others mostly run through the same branches, so the figure is
    a little too low. In a worker of pytest-xdist: begin with the crash matrix, so that the longest test does not end
    alone.
    """
    if config.getoption("cov_source", None):
        cases: Counter[str] = Counter()
        for item in items:
            test = item.nodeid.partition("[")[0]
            cases[test] += 1
            if not MEASURED & set(item.path.parts) or cases[test] > MEASURED_CASES:
                item.add_marker("no_cover")
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
