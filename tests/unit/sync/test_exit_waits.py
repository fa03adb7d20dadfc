"""Ends that come early, late, or never, and statuses that are written again."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import capture_logs

from containerd_client import NotFound, Unknown
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.keyed_locks import KeyedLocks
from cri_shim.concurrency.supervisor import Supervisor
from cri_shim.disk.container_directories import make_container_dirs
from cri_shim.disk.status_file import read_status, write_status
from cri_shim.paths import Paths
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox
from cri_shim.sync import exits as exits_module
from cri_shim.sync.exits import Exits
from cri_shim.sync.task_poll import NotKnown
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ID, POD = "a" * 64, "b" * 64
RUNNING = Container(ID, "c", POD, cri.ContainerConfig(), Status(created_at=1, started_at=2, pid=7), "sha256:1")


class World:
    """The stores, and an :class:`Exits` whose containerd has no task left and whose kernel killed nothing."""

    def __init__(self, paths: Paths, supervisor: Supervisor) -> None:
        self.paths = paths
        self.killed: bool | NotKnown = False
        self.counted = False
        self.others: list[list[str]] = []
        self.forgotten: list[tuple[str, Path]] = []
        self.drained = True
        self.containers: Index[Container] = Index("container")
        self.sandboxes: Index[Sandbox] = Index("sandbox")
        self.exits = Exits(
            containerd=cast("Any", SimpleNamespace(tasks=self)),
            sandboxes=self.sandboxes,
            containers=self.containers,
            locks=KeyedLocks(),
            oom_kills=cast("Any", self),
            paths=paths,
            logs=cast("Any", self),
            supervisor=supervisor,
        )
        make_container_dirs(paths, ID)

    async def delete(self, _id: str) -> None:
        """Delete a task."""
        raise NotFound("Tasks/Delete", "no such task")

    def counts(self, _parent: str) -> bool:
        """Say whether the kills in the pod are counted."""
        return self.counted

    async def was_oom_killed(
        self, _container: object, _parent: str, _files: Path, others: list[str]
    ) -> bool | NotKnown:
        """Say whether the kernel killed for want of memory."""
        self.others.append(others)
        return self.killed

    async def mark_reported(self, _parent: str, others: list[str]) -> None:
        """Take note of the others."""
        self.others.append(others)

    def forget(self, parent: str, directory: Path) -> None:
        """Take note of it."""
        self.forgotten.append((parent, directory))

    async def wait_drained(self, _id: str, _seconds: float) -> bool:
        """Say whether all output is written."""
        return self.drained


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """With patience of milliseconds."""
    monkeypatch.setattr(exits_module, "LATE_EXIT_SECONDS", 0.03)
    monkeypatch.setattr(exits_module, "WRITE_RETRIES", (0.005,))
    monkeypatch.setattr(exits_module, "DELETE_RETRIES", (0.005,))
    supervisor = Supervisor()
    yield World(Paths(tmp_path / "root", tmp_path / "state"), supervisor)
    await supervisor.stop()


async def test_waiting_for_what_has_ended(world: World) -> None:
    """It is over at once, also of what is not here."""
    await world.exits.wait("none")
    world.containers.put(RUNNING.with_status(finished_at=5))
    await world.exits.wait(ID)


async def test_waiting_for_what_is_forgotten(world: World) -> None:
    """The wait ends with its exit all the same."""
    world.containers.put(RUNNING)
    waiting = asyncio.create_task(world.exits.wait(ID))
    await asyncio.sleep(0)
    world.containers.drop(ID)
    await world.exits.ended(ID, 0, 9)
    await waiting


@pytest.mark.parametrize("reported", [True, False])
async def test_an_end_that_is_late(world: World, *, reported: bool) -> None:
    """A shim that repeats its events says how it ended; without them that stays unknown."""
    world.containers.put(RUNNING)
    world.exits.await_lost_exit(ID)
    if reported:
        await asyncio.sleep(0)
        await world.exits.ended(ID, 3, 9)
    await until(lambda: world.containers.get(ID).status.finished_at)
    await asyncio.sleep(0.05)
    status = world.containers.get(ID).status
    assert (status.exit_code, status.reason) == ((3, "Error") if reported else (255, "Unknown"))


async def test_an_end_before_its_pod_is_stored(world: World) -> None:
    """It is caught up with when the pod is there, once; old ends of others are forgotten."""
    await world.exits.ended(POD, 1, 9)
    for number in range(exits_module._EARLY_EXITS_BUFFERED - 1):
        await world.exits.ended(f"{number}", 0, 9)
    world.sandboxes.put(Sandbox(POD, "p", cri.PodSandboxConfig(), 1, pid=7))
    await world.exits.claim_early(POD)
    assert world.sandboxes.get(POD).exited_at == 9
    await world.exits.claim_early(POD)
    for number in range(2):
        await world.exits.ended(f"more-{number}", 0, 9)
    assert "0" not in world.exits._early


@pytest.mark.parametrize(
    ("killed", "reason", "words"),
    [
        (True, "OOMKilled", ""),
        (False, "Error", ""),
        (NotKnown("its cgroup cannot be read"), "Error", ": its cgroup cannot be read"),
    ],
    ids=["killed", "not killed", "not known"],
)
async def test_a_kill_for_want_of_memory(world: World, *, killed: bool | NotKnown, reason: str, words: str) -> None:
    """What the kernel counts decides, and what is not known is said."""
    world.killed = killed
    world.containers.put(RUNNING)
    await world.exits.ended(ID, 137, 9)
    status = world.containers.get(ID).status
    assert (status.reason, words in status.message) == (reason, True)


async def test_an_event_about_memory(world: World) -> None:
    """It corrects the reason of an end that was recorded before it, on the disk, too; of others it changes nothing."""
    world.exits.out_of_memory("none")
    world.containers.put(RUNNING)
    world.exits.out_of_memory(ID)
    world.containers.update(ID, lambda container: container.replace(oom_killed=False))
    await world.exits.ended(ID, 1, 9)
    world.exits.out_of_memory(ID)
    assert read_status(world.paths.container_root(ID)).reason == "OOMKilled"


async def test_output_that_stays_open(world: World) -> None:
    """The end is recorded all the same."""
    world.drained = False
    world.containers.put(RUNNING)
    with capture_logs() as logs:
        await world.exits.ended(ID, 0, 9)
    assert world.containers.get(ID).status.finished_at == 9
    assert "container.output_still_open" in {one["event"] for one in logs}


async def test_a_status_that_cannot_be_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again until there is room, and said once; a removed container needs none."""
    attempts: list[str] = []

    def refuse(_root: Path, _status: Status) -> None:
        attempts.append("")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exits_module, "write_status", refuse)
    world.containers.put(RUNNING)
    with capture_logs() as logs:
        world.exits.write_status(ID)
        world.exits.write_status(ID)
        await until(lambda: len(attempts) > 3)
        monkeypatch.setattr(exits_module, "write_status", write_status)
        await until(lambda: not world.exits._finishing)
    events = [one["event"] for one in logs]
    assert events == ["container.status_not_written", "container.status_written"]
    assert read_status(world.paths.container_root(ID)).pid == 7
    monkeypatch.setattr(exits_module, "write_status", refuse)
    world.exits.write_status(ID)
    world.containers.drop(ID)
    await until(lambda: not world.exits._finishing)


NO_ANSWER = NotKnown("no answer")
UNKNOWN = "it is unknown whether it was killed for lack of memory: no answer"


@pytest.mark.parametrize(
    ("code", "counted", "killed", "expected"),
    [
        (1, True, True, ("OOMKilled", "")),
        (1, True, False, ("Error", "")),
        (1, False, True, ("Error", "")),
        (1, True, NO_ANSWER, ("Error", "")),
        (0, True, True, ("Completed", "")),
        (137, False, NO_ANSWER, ("Error", UNKNOWN)),
    ],
)
async def test_an_end_because_of_a_child(
    world: World, code: int, counted: bool, killed: bool | NotKnown, expected: tuple[str, str]
) -> None:
    """A kill in the container is the reason of any error where it is counted; containerd is asked of SIGKILL alone."""
    world.counted, world.killed = counted, killed
    world.containers.put(RUNNING)
    await world.exits.ended(ID, code, 5)
    status = world.containers.get(ID).status
    assert (status.reason, status.message) == expected


async def test_who_else_may_have_been_killed(world: World) -> None:
    """Containers of the pod that run, start or have just ended; not the others, and none of another pod."""
    linux = cri.LinuxPodSandboxConfig(cgroup_parent="/pod")
    for id_ in (POD, "d" * 64):
        parent = linux if id_ == POD else cri.LinuxPodSandboxConfig(cgroup_parent="/other")
        world.sandboxes.put(Sandbox(id=id_, name=id_, config=cri.PodSandboxConfig(linux=parent), created_at=1))
    world.containers.put(RUNNING)
    for number, (pod, status, starting) in enumerate(
        [
            (POD, Status(created_at=1, started_at=2), False),
            (POD, Status(created_at=1), True),
            (POD, Status(created_at=1), False),
            (POD, Status(created_at=1, started_at=2, finished_at=3), False),
            ("d" * 64, Status(created_at=1, started_at=2), False),
        ]
    ):
        container = Container(str(number) * 64, f"c{number}", pod, cri.ContainerConfig(), status, "sha256:1")
        world.containers.put(container.replace(starting=starting))
    world.counted = True
    await world.exits.ended(ID, 137, 5)
    assert world.others == [["0" * 64, "1" * 64]] * 2


async def test_a_pod_that_is_dropped(world: World) -> None:
    """What was counted for its cgroup is dropped with it."""
    config = cri.PodSandboxConfig(linux=cri.LinuxPodSandboxConfig(cgroup_parent="/pod"))
    world.sandboxes.put(Sandbox(id=POD, name="p", config=config, created_at=1))
    world.sandboxes.drop(POD)
    assert world.forgotten == [("/pod", world.paths.sandbox_state(POD))]


async def test_the_end_of_a_pods_own_process(world: World) -> None:
    """A kill of it is attributed at once, so that no container that is then stopped takes it for its own."""
    config = cri.PodSandboxConfig(linux=cri.LinuxPodSandboxConfig(cgroup_parent="/pod"))
    world.sandboxes.put(Sandbox(id=POD, name="p", config=config, created_at=1))
    world.containers.put(RUNNING)
    world.counted = True
    await world.exits.ended(POD, 137, 5)
    assert world.others == [[ID]]


async def test_a_task_that_is_deleted_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cgroup goes with it only then, so what it counted is attributed again."""
    config = cri.PodSandboxConfig(linux=cri.LinuxPodSandboxConfig(cgroup_parent="/pod"))
    world.sandboxes.put(Sandbox(id=POD, name="p", config=config, created_at=1))
    world.containers.put(RUNNING)
    world.counted = True
    answers: list[Exception] = [Unknown("Tasks/Delete", "busy"), NotFound("Tasks/Delete", "no such task")]

    async def delete(_id: str) -> None:
        raise answers.pop(0)

    monkeypatch.setattr(world, "delete", delete)
    await world.exits.ended(ID, 0, 5)
    assert world.others == [[]]
    await until(lambda: len(world.others) == 2)
    assert not answers
