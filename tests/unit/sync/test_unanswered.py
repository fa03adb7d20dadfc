"""Tasks that do not answer: what is shown of them, how long they are asked, and what ends the asking."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from containerd_client import NotFound, Unknown
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.supervisor import Supervisor
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox
from cri_shim.sync import unanswered
from cri_shim.sync.task_poll import Absent
from cri_shim.sync.unanswered import Unanswered
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cri_shim.sync.task_poll import PolledTask

ID, POD = "a" * 64, "b" * 64
GET = "containerd.services.tasks.v1.Tasks/Get"
SILENT = Unknown(GET, "ttrpc: closed")
RUNNING = task_types.Process(id=ID, pid=7, status=task_types.RUNNING)


class World:
    """A container and a pod, and what containerd answers about their tasks: the last answer is repeated."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.answers: list[Any] = [SILENT]
        self.asked = 0
        self.answered: list[PolledTask] = []
        self.containers: Index[Container] = Index("container")
        self.sandboxes: Index[Sandbox] = Index("sandbox")
        self.containers.put(Container(ID, "c", POD, cri.ContainerConfig(), Status(1, 2, pid=7), "sha256:1"))
        self.sandboxes.put(Sandbox(POD, "p", cri.PodSandboxConfig(), 1, pid=6))
        self.unanswered = Unanswered(
            containerd=cast("Any", SimpleNamespace(tasks=self)),
            sandboxes=self.sandboxes,
            containers=self.containers,
            supervisor=supervisor,
        )

    async def get(self, _id: str) -> Any:
        """Answer about a task."""
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def take(self, answer: PolledTask) -> None:
        """Take note of an answer."""
        self.answered.append(answer)

    @property
    def reason(self) -> str:
        """Why the container is shown as unknown."""
        return self.containers.get(ID).unknown_reason


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """With pauses of milliseconds."""
    monkeypatch.setattr(unanswered, "FIRST_PAUSE", 0.002)
    monkeypatch.setattr(unanswered, "LONGEST_PAUSE", 0.004)
    supervisor = Supervisor()
    yield World(supervisor)
    await supervisor.stop()


async def test_until_it_answers(world: World) -> None:
    """It is shown as unknown with the last reason, asked by one alone, and known when it answers."""
    world.unanswered.add(ID, "first", world.take)
    assert "first" in world.reason
    world.unanswered.add(ID, "second", world.take)
    assert "second" in world.reason
    await until(lambda: world.asked > 2)
    assert "ttrpc: closed" in world.reason
    world.answers = [RUNNING]
    await until(lambda: world.answered)
    assert world.answered == [RUNNING]
    assert not world.reason
    assert ID not in world.unanswered


@pytest.mark.parametrize("how", ["cleared", "removed"])
async def test_what_ends_the_asking(world: World, how: str) -> None:
    """An event that brings its end, or its removal."""
    world.unanswered.add(ID, "first", world.take)
    if how == "cleared":
        world.unanswered.clear(ID)
    else:
        world.containers.drop(ID)
    await until(lambda: ID not in world.unanswered)
    assert not world.answered


async def test_a_pod(world: World) -> None:
    """It is asked for until its end is known, and shown as it is afterwards."""
    world.unanswered.add(POD, "first", world.take)
    assert "first" in world.sandboxes.get(POD).unknown_reason
    world.sandboxes.update(POD, lambda sandbox: sandbox.replace(exited_at=9))
    await until(lambda: POD not in world.unanswered)
    assert not world.sandboxes.get(POD).unknown_reason
    assert not world.answered


async def test_another_reason_for_doubt(world: World) -> None:
    """It is not overwritten, and stays when the task answers."""
    world.containers.update(ID, lambda container: container.replace(unknown_reason="its record is damaged"))
    world.unanswered.add(ID, "first", world.take)
    assert world.reason == "its record is damaged"
    world.answers = [NotFound(GET, "no such task")]
    await until(lambda: world.answered)
    assert isinstance(world.answered[0], Absent)
    assert world.reason == "its record is damaged"


async def test_doubt_that_comes_back_while_an_answer_is_worked_on(world: World) -> None:
    """It is asked for anew: what the work on the first answer does at its end is no news of the second doubt."""

    async def take_and_doubt(answer: PolledTask) -> None:
        world.answered.append(answer)
        world.answers = [SILENT]
        world.unanswered.add(ID, "again", world.take)

    world.answers = [RUNNING]
    world.unanswered.add(ID, "first", take_and_doubt)
    await until(lambda: world.answered)
    await until(lambda: world.asked > 2)
    assert world.reason
    world.answers = [RUNNING]
    await until(lambda: len(world.answered) == 2)
    assert not world.reason
