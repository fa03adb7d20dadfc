"""What reading containerd anew makes of pods and containers, whatever containerd answers."""

from __future__ import annotations

import asyncio
import errno
from types import SimpleNamespace
from typing import Any, cast

import pytest

from containerd_client import Containerd, DeadlineExceeded, NotFound, Unavailable, Unknown
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.supervisor import Supervisor
from cri_shim.kernel.recording import RecordingKernel
from cri_shim.paths import Paths
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.state.names import Names
from cri_shim.state.sandboxes import Sandbox
from cri_shim.sync import load, task_poll, task_states, unanswered, unread_status
from cri_shim.sync.recovery import Recovery
from cri_shim.sync.task_states import TaskStates
from cri_shim.sync.unanswered import Unanswered
from cri_shim.sync.unread_status import UnreadStatus
from tests.unit.waiting import until

POD = "a" * 64
CONTAINER = "b" * 64
OTHER = "c" * 64

GET = "containerd.services.tasks.v1.Tasks/Get"
NO_ANSWERS = {
    "unavailable": Unavailable(GET, "shim is busy"),
    "unknown": Unknown(GET, "ttrpc: closed: unknown"),
    "deadline": DeadlineExceeded(GET, "context deadline exceeded"),
    "no status": task_types.Process(id=CONTAINER, status=task_types.UNKNOWN),
}


async def _nothing_orphaned(_living):
    """No task is without a record."""


async def _nothing_attached(_id: str, _netns_path: str) -> None:
    """No pod without a record is on a network."""


class FakeContainerd:
    """Records by id, and what ``Tasks/Get`` answers for each: a process, an error, or ``None`` for never."""

    def __init__(self):
        self.sandboxes = []
        self.members = []
        self.task_list: Any = []
        self.answers = {}
        self.deleted = []
        self.containers = SimpleNamespace(list=self._records)
        self.tasks = SimpleNamespace(list=self._tasks, get=self._get, delete=self._delete)

    async def _records(self, selected):
        return self.sandboxes if "sandbox" in selected else self.members

    async def _tasks(self):
        if self.task_list is None:
            await asyncio.sleep(task_poll.LIST_SECONDS)
            raise DeadlineExceeded("containerd.services.tasks.v1.Tasks/List", "no answer")
        return self.task_list

    async def _get(self, id_):
        answer = self.answers.get(id_, NotFound(GET, "no such task"))
        if answer is None:
            await asyncio.sleep(task_poll.POLL_SECONDS)
            raise DeadlineExceeded(GET, "no answer")
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _delete(self, id_):
        self.deleted.append(id_)


class FakeExits:
    """Notes the exits that are recorded, and puts them into the stores."""

    def __init__(self, containers):
        self.reported = []
        self._containers = containers

    async def ended(self, id_, code, at_ns, *, reason=""):
        self.reported.append((id_, code, reason))

    async def begin(self, id_):
        pass

    def await_lost_exit(self, id_):
        self.reported.append((id_, None, "expected"))


class FakeLogs:
    """Follows nothing, and notes what it is asked to follow."""

    def __init__(self):
        self.asked = []

    def follows(self, _id):
        return False

    def resume(self, id_, _path, _process):
        self.asked.append(("resume", id_))

    def collect(self, id_, _path, *, tty):
        self.asked.append(("collect", id_))

    def close(self, _id):
        pass


class Node:
    """A recovery with everything around it."""

    def __init__(self, tmp_path):
        self.containerd = FakeContainerd()
        self.sandboxes: Index[Sandbox] = Index("sandbox")
        self.containers: Index[Container] = Index("container")
        self.exits = FakeExits(self.containers)
        self.logs = FakeLogs()
        self.supervisor = Supervisor()
        self.names = Names(), Names()
        paths = self.paths = Paths(tmp_path / "root", tmp_path / "state")
        client = cast("Containerd", self.containerd)
        stores: Any = {"sandboxes": self.sandboxes, "containers": self.containers, "supervisor": self.supervisor}
        doubts = Unanswered(containerd=client, **stores)
        states = TaskStates(
            containerd=client,
            paths=paths,
            logs=cast("Any", self.logs),
            exits=cast("Any", self.exits),
            unanswered=doubts,
            **stores,
        )
        self.recovery = Recovery(
            containerd=client,
            kernel=RecordingKernel(),
            paths=paths,
            sandbox_names=self.names[0],
            container_names=self.names[1],
            logs=cast("Any", self.logs),
            states=states,
            unanswered=doubts,
            unread=UnreadStatus(
                containerd=client,
                paths=paths,
                containers=self.containers,
                states=states,
                supervisor=self.supervisor,
            ),
            snapshotters=(),
            clear_orphaned_tasks=_nothing_orphaned,
            detach_orphaned=_nothing_attached,
            being_read=set,
            **stores,
        )

    def pod(self, *, id_=POD, **fields):
        """A pod that this daemon knows and containerd has a record of."""
        result = {"cniVersion": "1.0.0"}
        values: dict[str, Any] = {"pid": 7, "cni_result": result, "created_at": 1} | fields
        self.sandboxes.put(Sandbox(id_, f"pod-{id_}", cri.PodSandboxConfig(), **values))
        self.names[0].reserve(f"pod-{id_}", id_)
        self.containerd.sandboxes.append(containers_pb2.Container(id=id_))

    def member(self, id_=CONTAINER, **status):
        """A container that runs, of the same kind."""
        values = Status(**({"created_at": 1, "started_at": 2, "pid": 8} | status))
        self.containers.put(Container(id_, f"c-{id_}", POD, cri.ContainerConfig(), values, "sha256:1"))
        self.names[1].reserve(f"c-{id_}", id_)
        self.containerd.members.append(containers_pb2.Container(id=id_))


@pytest.fixture
async def node(tmp_path, monkeypatch):
    for module, name, seconds in (
        (task_poll, "LIST_SECONDS", 0.05),
        (task_poll, "POLL_SECONDS", 0.1),
        (task_states, "PATIENCE_SECONDS", 0.1),
        (unread_status, "FIRST_PAUSE", 0.01),
        (unanswered, "FIRST_PAUSE", 0.01),
        (unanswered, "LONGEST_PAUSE", 0.02),
    ):
        monkeypatch.setattr(module, name, seconds)
    made = Node(tmp_path)
    yield made
    await made.supervisor.stop()


@pytest.mark.parametrize("starting", [True, False])
async def test_a_pause_container_that_is_about_to_start(node, starting):
    """It is left to the start in hand; where there is none it is of no use, and the pod is not ready."""
    node.pod(starting=starting)
    node.containerd.task_list = [task_types.Process(id=POD, pid=7, status=task_types.CREATED)]
    await node.recovery.run()
    assert node.sandboxes.get(POD).ready is starting
    assert node.containerd.deleted == ([] if starting else [POD])


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_a_task_that_does_not_answer(node, answer):
    """Whether it runs is not known: nothing is recorded, written or deleted, and its status says why."""
    node.pod()
    node.member()
    node.containerd.answers = {POD: answer, CONTAINER: answer}
    await node.recovery.run()
    container, sandbox = node.containers.get(CONTAINER), node.sandboxes.get(POD)
    assert container.state == cri.CONTAINER_UNKNOWN
    assert "could not be queried" in container.unknown_reason
    assert not sandbox.ready
    assert not sandbox.exited_at
    assert "could not be queried" in sandbox.unready_reason
    assert node.exits.reported == []
    assert node.containerd.deleted == []
    assert ("collect", CONTAINER) in node.logs.asked, "its output is read meanwhile"


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_a_task_that_answers_later(node, answer):
    """It is looked at again, and what it is comes to light."""
    node.pod()
    node.member()
    node.member(OTHER)
    node.containerd.answers = {POD: answer, CONTAINER: answer, OTHER: answer}
    await node.recovery.run()
    running = task_types.Process(id=POD, pid=7, status=task_types.RUNNING)
    stopped = task_types.Process(id=OTHER, status=task_types.STOPPED, exit_status=3)
    node.containerd.answers = {POD: running, CONTAINER: running, OTHER: stopped}
    await until(
        lambda: node.sandboxes.get(POD).ready and node.containers.get(CONTAINER).running and node.exits.reported
    )
    assert node.exits.reported == [(OTHER, 3, "")]
    assert not node.containers.get(CONTAINER).unknown_reason
    assert ("resume", CONTAINER) in node.logs.asked


async def test_a_task_that_is_not_there(node):
    """NotFound alone says so: then its exit event, which may still come, is waited for."""
    node.pod()
    node.member()
    await node.recovery.run()
    assert node.exits.reported == [(CONTAINER, None, "expected")]
    assert node.sandboxes.get(POD).exited_at


async def test_an_end_that_is_known(node):
    """A task that does not answer is no news of a container that has ended."""
    node.pod(exited_at=5)
    node.member(finished_at=9)
    node.containerd.answers = {POD: NO_ANSWERS["unavailable"], CONTAINER: NO_ANSWERS["unavailable"]}
    await node.recovery.run()
    assert node.containers.get(CONTAINER).state == cri.CONTAINER_EXITED
    assert not node.sandboxes.get(POD).unknown_reason


async def test_many_that_hang_and_one_that_does_not(node):
    """The time that recovery takes does not grow with the number of those that hang."""
    node.pod()
    hanging = [f"{number:064x}" for number in range(task_poll.AT_ONCE * 3)]
    for id_ in (CONTAINER, *hanging):
        node.member(id_)
    node.containerd.task_list = None
    node.containerd.answers = dict.fromkeys(hanging) | {
        POD: task_types.Process(id=POD, pid=7, status=task_types.RUNNING),
        CONTAINER: task_types.Process(id=CONTAINER, pid=8, status=task_types.RUNNING),
    }
    async with asyncio.timeout(20):
        await node.recovery.run()
    assert node.containers.get(CONTAINER).running
    assert node.sandboxes.get(POD).ready
    assert {node.containers.get(id_).state for id_ in hanging} == {cri.CONTAINER_UNKNOWN}


async def test_a_containerd_that_has_gone_meanwhile(node):
    """Then nothing is known of anybody, and recovery begins anew when it is back."""
    node.pod()
    node.member()
    node.containerd.answers = {CONTAINER: Unavailable(GET, "no connection", never_sent=True)}
    with pytest.raises(Unavailable):
        await node.recovery.run()
    assert node.containers.get(CONTAINER).running


async def test_an_unknown_container_that_is_removed(node):
    """The looks at it end, and it does not come back."""
    node.pod()
    node.member()
    node.containerd.answers = {CONTAINER: NO_ANSWERS["deadline"]}
    await node.recovery.run()
    node.containers.drop(CONTAINER)
    await until(lambda: not any("look-again/b" in task.get_name() for task in asyncio.all_tasks()))
    assert CONTAINER not in node.containers


async def test_what_is_made_while_the_records_are_read(node):
    """It is not in the list, and is not taken for removed."""
    node.pod()

    async def list_and_make(selected):
        records = await FakeContainerd._records(node.containerd, selected)
        if "container" in selected and CONTAINER not in node.containers:
            members = list(node.containerd.members)
            node.member()
            return members
        return records

    node.containerd.containers.list = list_and_make
    await node.recovery.run()
    assert CONTAINER in node.containers


async def test_a_state_without_an_end(node):
    """A container that is being paused runs: it has not ended with code 0."""
    node.pod()
    node.member()
    node.containerd.task_list = [
        task_types.Process(id=POD, pid=7, status=task_types.RUNNING),
        task_types.Process(id=CONTAINER, pid=8, status=task_types.PAUSING),
    ]
    await node.recovery.run()
    assert node.containers.get(CONTAINER).running
    assert node.exits.reported == []


@pytest.mark.parametrize(
    ("remains", "ends"),
    [
        (Status(created_at=1, started_at=2, pid=8), [(CONTAINER, 255, "Unknown")]),
        (Status(created_at=1, started_at=2, finished_at=9, reason="Completed"), []),
    ],
)
async def test_a_status_that_cannot_be_read_just_now(node, monkeypatch, remains, ends):
    """Without the file nothing is concluded from a task that is gone: the file is read again, and its status holds."""
    node.pod()
    node.containerd.members.append(containers_pb2.Container(id=CONTAINER))
    answers: list[Status | OSError] = [OSError(errno.EIO, "Input/output error")] * 3

    def read(_directory):
        answer = answers.pop(0) if answers else remains
        if isinstance(answer, OSError):
            raise answer
        return answer

    for module in (load, unread_status):
        monkeypatch.setattr(module, "read_status", read)
    await node.recovery.run()
    await node.recovery.run()
    container = node.containers.get(CONTAINER)
    assert container.state == cri.CONTAINER_UNKNOWN
    assert node.exits.reported == []
    await until(lambda: not node.containers.get(CONTAINER).status_unread)
    await until(lambda: node.exits.reported == ends)
    assert node.containers.get(CONTAINER).status.finished_at == remains.finished_at


async def test_a_record_whose_id_begins_like_another(node):
    """Another client's container with our label and a short id is one by itself."""
    node.pod()
    node.member()
    node.containerd.task_list = [
        task_types.Process(id=POD, pid=7, status=task_types.RUNNING),
        task_types.Process(id=CONTAINER, pid=8, status=task_types.RUNNING),
    ]
    node.containerd.sandboxes.append(containers_pb2.Container(id=POD[:2]))
    node.containerd.members.append(containers_pb2.Container(id=CONTAINER[:2]))
    await node.recovery.run()
    assert node.containers.get(CONTAINER).running
    assert node.sandboxes.get(POD).ready
    assert CONTAINER[:2] in node.containers
    assert POD[:2] in node.sandboxes


@pytest.mark.parametrize("id_", ["", "a/../b", "..", "\0", "\ufffd", "a\n"])
async def test_a_record_whose_id_is_none(node, id_):
    """Ids become parts of paths, so a record with another name is left alone, and all others are read."""
    node.pod()
    node.containerd.sandboxes.append(containers_pb2.Container(id=id_))
    node.containerd.members.append(containers_pb2.Container(id=id_))
    await node.recovery.run()
    assert [sandbox.id for sandbox in node.sandboxes] == [POD]
    assert list(node.containers) == []
