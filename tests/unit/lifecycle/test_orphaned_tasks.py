"""What is ended because it has no record, and what is spared."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from containerd_client import AlreadyExists, DeadlineExceeded, NotFound, Unknown
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.concurrency.supervisor import Supervisor
from cri_shim.kernel.recording import RecordingKernel
from cri_shim.lifecycle import orphaned_tasks
from cri_shim.lifecycle.orphaned_processes import Shim
from cri_shim.lifecycle.orphaned_tasks import MARK, OrphanedTasks
from tests.unit.waiting import until

ORPHANED, FOREIGN, BEING_MADE = "a" * 64, "b" * 64, "c" * 64
ADDRESS = "/run/containerd/containerd.sock"


class FakeContainerd:
    """Records and tasks by id; calls of a task fail without a record, as they do in containerd."""

    def __init__(self, tasks=(), records=()):
        self.tasks_there = set(tasks)
        self.records = {id_: containers_pb2.Container(id=id_) for id_ in records}
        self.failures = {}
        self.containers = SimpleNamespace(list=self._records, get=self._get, create=self._create, delete=self._drop)
        self.tasks = SimpleNamespace(list=self._tasks, kill=self._kill, wait=self._wait, delete=self._delete)
        self.introspection = SimpleNamespace(plugins=self._plugins)

    def _fail(self, what):
        if what in self.failures:
            raise self.failures[what]

    async def _records(self, _filter):
        return [record for record in self.records.values() if MARK in record.labels]

    async def _get(self, id_):
        self._fail("get")
        if id_ not in self.records:
            raise NotFound("Containers/Get", "not found")
        return self.records[id_]

    async def _create(self, record):
        if record.id in self.records:
            raise AlreadyExists("Containers/Create", "exists")
        self.records[record.id] = record

    async def _drop(self, id_):
        await self._get(id_)
        del self.records[id_]

    async def _tasks(self):
        self._fail("list")
        return [task_types.Process(id=id_, pid=7) for id_ in self.tasks_there]

    async def _kill(self, id_, _number, **_):
        await self._get(id_)

    async def _wait(self, id_):
        await self._get(id_)

    async def _delete(self, id_):
        self._fail("delete")
        await self._get(id_)
        if id_ not in self.tasks_there:
            raise NotFound("Tasks/Delete", "no such task")
        self.tasks_there.discard(id_)

    async def _plugins(self, _filter):
        return []


@pytest.fixture(autouse=True)
def node(monkeypatch):
    """A node on which nothing is left but what containerd tells."""
    left = SimpleNamespace(shims=[], killed=[], ended=set())
    monkeypatch.setattr(orphaned_tasks, "shims_of", lambda *_: left.shims)
    monkeypatch.setattr(orphaned_tasks, "root_mounts", lambda *_: iter(()))
    monkeypatch.setattr(orphaned_tasks, "clear_everywhere", lambda _: None)
    monkeypatch.setattr(orphaned_tasks, "end_orphaned_shims", lambda _address, _namespace, ids: left.ended.update(ids))
    monkeypatch.setattr(os, "kill", lambda pid, _: left.killed.append(pid))
    monkeypatch.setattr(orphaned_tasks, "RETRIES", (0.001,))
    return left


@pytest.fixture
async def background():
    supervisor = Supervisor()
    yield supervisor
    await supervisor.stop()


def made(containerd, background):
    return OrphanedTasks(
        containerd=cast("Any", containerd),
        kernel=RecordingKernel(),
        address=ADDRESS,
        namespace="k8s.io",
        supervisor=background,
    )


async def clear(containerd, background):
    await made(containerd, background).clear(lambda: {BEING_MADE})


async def test_a_task_without_a_record(background):
    """It goes, and the record that was made to reach it; one with a record or a reserved name stays."""
    containerd = FakeContainerd(tasks=[ORPHANED, FOREIGN, BEING_MADE], records=[FOREIGN])
    await clear(containerd, background)
    assert containerd.tasks_there == {FOREIGN, BEING_MADE}
    assert set(containerd.records) == {FOREIGN}


@pytest.mark.parametrize("what", ["list", "get"])
@pytest.mark.parametrize("error", [Unknown("m", "database closed"), DeadlineExceeded("m", "no answer")])
async def test_a_task_without_an_answer_is_not_orphaned(background, what, error):
    """Nothing is ended while containerd does not say what has a record; it is asked again."""
    containerd = FakeContainerd(tasks=[ORPHANED])
    containerd.failures[what] = error
    await clear(containerd, background)
    await asyncio.sleep(0.02)
    assert containerd.tasks_there == {ORPHANED}
    containerd.failures.clear()
    await until(lambda: not containerd.tasks_there)


async def test_one_that_stays_is_tried_again(background):
    """Its record stays with its label, so that even the next daemon finds it; then both go."""
    containerd = FakeContainerd(tasks=[ORPHANED])
    containerd.failures["delete"] = Unknown("Tasks/Delete", "device or resource busy")
    await clear(containerd, background)
    assert MARK in containerd.records[ORPHANED].labels
    containerd.failures.clear()
    await until(lambda: not containerd.records)
    assert not containerd.tasks_there


async def test_a_record_of_ours_without_a_task(background):
    """A daemon that died in between leaves one; it goes."""
    containerd = FakeContainerd(records=[ORPHANED])
    containerd.records[ORPHANED].labels[MARK] = "1"
    await clear(containerd, background)
    assert not containerd.records


@pytest.mark.parametrize("tasks", [[ORPHANED], []])
async def test_one_that_a_removal_has_found(background, tasks):
    """Another client has deleted the record of what is being removed; a task that is there goes, none is fine."""
    containerd = FakeContainerd(tasks=tasks)
    await made(containerd, background).end(ORPHANED)
    assert not containerd.tasks_there
    assert not containerd.records


async def test_what_containerd_has_forgotten(background, node):
    """A shim goes when all that it serves is forgotten; else only the process that is."""
    node.shims = [
        Shim(1, ORPHANED, ((11, ORPHANED),)),
        Shim(2, "d" * 64, ((21, "d" * 64), (22, FOREIGN))),
        Shim(3, FOREIGN, ((31, FOREIGN), (32, "e" * 64))),
    ]
    await clear(FakeContainerd(records=[FOREIGN]), background)
    assert sorted(node.killed) == [11, 21, 32]
    assert node.ended == {ORPHANED}


@pytest.mark.parametrize("fails", [True, False])
async def test_a_mount_without_anything_else(background, node, monkeypatch, fails):
    """It is removed; one that is busy is tried again."""
    kernel = RecordingKernel()
    if fails:
        kernel.fail["umount"] = OSError(16, "Device or resource busy")
    monkeypatch.setattr(orphaned_tasks, "root_mounts", lambda *_: iter([(ORPHANED, "/r"), (FOREIGN, "/f")]))
    orphans = made(FakeContainerd(records=[FOREIGN]), background)
    orphans._kernel = kernel
    with capture_logs() as logs:
        await orphans.clear(lambda: {BEING_MADE})
        if fails:
            await until(lambda: kernel.names().count("umount") > 1)
            kernel.fail.clear()
    assert {call.args[0] for call in kernel.calls} == {"/r"}
    events = [one["event"] for one in logs]
    assert events[0] == ("recovery.orphaned_mount_stays" if fails else "recovery.orphaned_mount_removed")


async def test_cgroups_that_stay(background, monkeypatch):
    """They are tried again, of what containerd knew and of what it has forgotten."""
    attempts = []

    def clear_all(ids):
        attempts.append(set(ids))
        if len(attempts) < 3:
            raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(orphaned_tasks, "clear_everywhere", clear_all)
    monkeypatch.setattr(orphaned_tasks, "root_mounts", lambda *_: iter([(ORPHANED, "/r")]))
    await clear(FakeContainerd(tasks=["d" * 64]), background)
    await until(lambda: len(attempts) > 3)
    assert {"d" * 64} in attempts
    assert {ORPHANED} in attempts


async def test_two_removals_that_fail(background):
    """One attempt in the background is for both."""
    containerd = FakeContainerd(tasks=[ORPHANED, FOREIGN])
    containerd.failures["delete"] = Unknown("Tasks/Delete", "busy")
    orphans = made(containerd, background)
    await orphans.end(ORPHANED)
    await orphans.end(FOREIGN)
    assert [task.get_name() for task in asyncio.all_tasks()].count("orphaned-tasks") == 1
    containerd.failures.clear()
    await until(lambda: not containerd.tasks_there)


async def test_what_has_ended_just_now(background, node, monkeypatch):
    """A process that is gone when it is to be killed is fine, and so is a node without anything left."""

    def gone(_pid, _number):
        raise ProcessLookupError

    monkeypatch.setattr(os, "kill", gone)
    node.shims = [Shim(1, ORPHANED, ((11, ORPHANED),))]
    await clear(FakeContainerd(), background)
    assert node.ended == {ORPHANED}
    node.shims = []
    await clear(FakeContainerd(), background)
