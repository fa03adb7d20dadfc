"""Ends of processes as the store tells them."""

from __future__ import annotations

import asyncio
import shutil
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from containerd_client import NotFound, Unknown
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.keyed_locks import KeyedLocks
from cri_shim.concurrency.supervisor import Supervisor
from cri_shim.disk.container_directories import make_container_dirs
from cri_shim.disk.status_file import read_status
from cri_shim.paths import Paths
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.sync import exits as exits_module
from cri_shim.sync.exits import Exits
from cri_shim.sync.task_poll import NotKnown
from tests.unit.waiting import until

ID = "a" * 64
GO_ZERO_TIME = -62_135_596_800_000_000_000


class FakeTasks:
    """A containerd that answers ``Tasks/Delete`` as the test wants, and then that there is no such task."""

    def __init__(self):
        self.answers: list[Exception | None] = []
        self.deletes = 0

    async def delete(self, _id):
        self.deletes += 1
        answer = self.answers.pop(0) if self.answers else NotFound("Tasks/Delete", "no running task found")
        if answer is not None:
            raise answer


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
def tasks():
    return FakeTasks()


@pytest.fixture
async def background():
    supervisor = Supervisor()
    yield supervisor
    await supervisor.stop()


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path / "root", tmp_path / "state")


@pytest.fixture
def exits(containers, tasks, paths, background):
    make_container_dirs(paths, ID)
    return Exits(
        containerd=cast("Any", SimpleNamespace(tasks=tasks)),
        sandboxes=Index("sandbox"),
        containers=containers,
        locks=KeyedLocks(),
        oom_kills=cast("Any", FakeOomKills()),
        paths=paths,
        logs=cast("Any", FakeLogs()),
        supervisor=background,
    )


class FakeOomKills:
    """Nobody wants for memory."""

    def counts(self, _parent):
        return False

    async def was_oom_killed(self, *_):
        return False

    async def mark_reported(self, _parent, _others):
        pass


@pytest.mark.parametrize("reported", [GO_ZERO_TIME, 0])
async def test_a_time_that_is_none(exits, containers, reported):
    """A process that was made and never started ends in the year 1, says containerd; CRI has no room for that."""
    before = time.time_ns()
    await exits.ended(ID, 137, reported)
    assert before <= containers.get(ID).status.finished_at <= time.time_ns()
    assert containers.get(ID).state == cri.CONTAINER_EXITED


async def test_the_first_end_counts(exits, containers):
    """Told again, by an event and by a look, it stays what it was."""
    await exits.ended(ID, 3, 1_000)
    await exits.ended(ID, 255, 2_000)
    status = containers.get(ID).status
    assert (status.exit_code, status.finished_at, status.reason) == (3, 1_000, "Error")


async def test_a_status_that_cannot_be_written_keeps_the_task(exits, containers, tasks, paths, monkeypatch):
    """The exit code is in the task alone then; both follow in the background when there is a place for the status."""
    monkeypatch.setattr(exits_module, "WRITE_RETRIES", (0.01,))
    shutil.rmtree(paths.container_root(ID))
    await exits.ended(ID, 7, 1_000)
    assert containers.get(ID).status.exit_code == 7
    await asyncio.sleep(0.05)
    assert tasks.deletes == 0
    make_container_dirs(paths, ID)
    await until(lambda: tasks.deletes)
    assert read_status(paths.container_root(ID)).exit_code == 7


async def test_a_task_that_cannot_be_deleted_is_not_forgotten(exits, tasks, monkeypatch):
    """containerd is asked again until it could, however often it could not."""
    monkeypatch.setattr(exits_module, "DELETE_RETRIES", (0.001, 0.002))
    tasks.answers = [*[Unknown("Tasks/Delete", "unmount: device or resource busy")] * 9, None]
    await exits.ended(ID, 0, 1_000)
    await until(lambda: tasks.deletes == 10)
    await asyncio.sleep(0.02)
    assert tasks.deletes == 10


async def test_a_task_that_is_deleted_costs_no_further_hop(exits, tasks):
    """A second word of the end, and the removal, know it; what could not be deleted is tried by each of them."""
    tasks.answers = [None]
    await exits.ended(ID, 0, 1_000)
    await exits.ended(ID, 0, 1_000)
    await exits.delete_task(ID)
    assert tasks.deletes == 1


async def test_a_removal_gets_what_containerd_said(exits, tasks):
    """It raises, and the next attempt asks again."""
    tasks.answers = [Unknown("Tasks/Delete", "busy"), Unknown("Tasks/Delete", "still busy"), None]
    await exits.ended(ID, 0, 1_000)
    with pytest.raises(Unknown, match="still busy"):
        await exits.delete_task(ID)
    await exits.delete_task(ID)
    assert tasks.deletes == 3


async def test_a_kill_whose_cause_is_not_known(exits, containers, monkeypatch):
    """The message says so: the reason may become OOMKilled when the kernel's word arrives."""

    async def was_oom_killed(*_):
        return NotKnown("Metrics: no answer")

    monkeypatch.setattr(exits._oom_kills, "was_oom_killed", was_oom_killed)
    await exits.ended(ID, 137, 1_000)
    status = containers.get(ID).status
    assert status.reason == "Error"
    assert status.message == "it is unknown whether it was killed for lack of memory: Metrics: no answer"


async def test_the_end_of_what_belongs_to_others(exits, containers):
    """The id of another client's container may be the beginning of one of ours, or nothing: neither is touched."""
    deleted = []

    async def delete(id_):
        deleted.append(id_)

    exits._containerd.tasks.delete = delete
    for foreign in (ID[:4], ""):
        await exits.ended(foreign, 0, 1_000)
    assert containers.get(ID).state == cri.CONTAINER_CREATED
    assert deleted == []
