"""What a removal does when containerd does not delete the task."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from containerd_client import FailedPrecondition, NotFound, Unavailable, Unknown
from cri_shim.errors import FailedPreconditionError, InternalError
from cri_shim.lifecycle import task_end
from cri_shim.lifecycle.task_end import end_task

ID = "a" * 64
BUSY = Unknown("Tasks/Delete", f"failed rootfs umount: /run/x/{ID}/rootfs: device or resource busy: unknown")


class Node:
    """A service of which only the tasks are there; ``answers`` are those of Tasks/Delete, None for done."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.killed = []
        self.exits = SimpleNamespace(delete_task=self._delete)
        self.containerd = SimpleNamespace(tasks=SimpleNamespace(kill=self._kill))

    async def _delete(self, _id):
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer

    async def _kill(self, _id, number):
        self.killed.append(number)
        raise NotFound("Tasks/Kill", "process already finished")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(task_end, "RETRIES", (0, 0))


async def end(node):
    await end_task(cast("Any", node.containerd), cast("Any", node.exits), f"container {ID}", ID)


async def test_a_failure_that_passes():
    """One UNKNOWN is not the end of a removal."""
    node = Node(Unknown("Tasks/Delete", "ttrpc: closed"), Unknown("Tasks/Delete", "closed again"), None)
    await end(node)
    assert not node.answers


async def test_a_failure_that_stays():
    """The error names the thing and says what containerd said; the caller keeps the record."""
    said = Unknown("Tasks/Delete", "runc did not terminate successfully: exit status 1")
    with pytest.raises(InternalError, match=rf"container {ID} cannot be removed: .*\(runc did not terminate"):
        await end(Node(said, said, said))


async def test_a_root_file_system_in_use():
    """An administrator has to mend that; containerd has tried for long enough, so the answer comes at once."""
    node = Node(BUSY, None)
    with pytest.raises(FailedPreconditionError, match="its root file system is in use"):
        await end(node)
    assert node.answers == [None]


async def test_a_task_that_runs_after_all():
    """It is killed, because it is to be removed."""
    node = Node(FailedPrecondition("Tasks/Delete", "task must be stopped before deletion: running"), None)
    await end(node)
    assert node.killed == [signal.SIGKILL]


async def test_a_containerd_that_is_away():
    """The error says just that."""
    with pytest.raises(Unavailable):
        await end(Node(Unavailable("Tasks/Delete", "no connection")))


async def test_words_without_end():
    """What a shim says may be long; the error is not."""
    said = Unknown("Tasks/Delete", "x" * 1_000_000)
    with pytest.raises(InternalError) as raised:
        await end(Node(said, said, said))
    assert len(str(raised.value)) < 2000
