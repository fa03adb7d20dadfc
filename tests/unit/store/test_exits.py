"""Ends of processes as the store tells them."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from containerd_client import NotFound
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.ops.locks import Locks
from cri_shim.paths import Paths
from cri_shim.store.containers import Container, Status
from cri_shim.store.exits import Exits
from cri_shim.store.index import Index

ID = "a" * 64
GO_ZERO_TIME = -62_135_596_800_000_000_000


class FakeTasks:
    """A containerd that has deleted the task already."""

    async def delete(self, _id):
        raise NotFound("Tasks/Delete", "no running task found")


class FakeLogs:
    """All output is written."""

    async def wait_drained(self, _id, _seconds):
        return True


@pytest.fixture
def containers():
    index: Index[Container] = Index("container")
    index.put(Container(ID, "c", "b" * 64, cri.ContainerConfig(), Status(created_at=1), "sha256:1"))
    return index


@pytest.fixture
def exits(containers, tmp_path):
    return Exits(
        containerd=cast("Any", SimpleNamespace(tasks=FakeTasks())),
        sandboxes=Index("sandbox"),
        containers=containers,
        locks=Locks(),
        oom_kills=cast("Any", FakeOomKills()),
        paths=Paths(tmp_path / "root", tmp_path / "state"),
        logs=cast("Any", FakeLogs()),
        supervisor=cast("Any", None),
    )


class FakeOomKills:
    """Nobody wants for memory."""

    async def happened(self, _id, _parent):
        return False

    async def settle(self, _parent, _running):
        pass


@pytest.mark.parametrize("told", [GO_ZERO_TIME, 0])
async def test_a_time_that_is_none(exits, containers, told):
    """A process that was made and never started ends in the year 1, says containerd; CRI has no room for that."""
    before = time.time_ns()
    await exits.ended(ID, 137, told)
    assert before <= containers.get(ID).status.finished_at <= time.time_ns()
    assert containers.get(ID).state == cri.CONTAINER_EXITED


async def test_the_first_end_counts(exits, containers):
    """Told again, by an event and by a look, it stays what it was."""
    await exits.ended(ID, 3, 1_000)
    await exits.ended(ID, 255, 2_000)
    status = containers.get(ID).status
    assert (status.exit_code, status.finished_at, status.reason) == (3, 1_000, "Error")
