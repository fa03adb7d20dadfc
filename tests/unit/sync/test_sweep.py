"""What the sweep makes of tasks that should run: it finds an exit without an event, and no answer is not an exit."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from containerd_client import DeadlineExceeded, NotFound, Unavailable, Unknown
from containerd_client.api.containerd.types import types_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.supervisor import Supervisor
from cri_shim.kernel.recording import RecordingKernel
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.sync import task_poll
from cri_shim.sync.monitor import Monitor
from cri_shim.sync.readiness import Readiness

ID, OTHER = "a" * 64, "b" * 64
GET = "containerd.services.tasks.v1.Tasks/Get"


class FakeTasks:
    """What is listed, and what is answered for each by itself; None for never."""

    def __init__(self):
        self.task_list: Any = []
        self.answers: dict[str, Any] = {}

    async def list(self):
        if self.task_list is None:
            await asyncio.sleep(task_poll.LIST_SECONDS)
            raise DeadlineExceeded("Tasks/List", "no answer")
        return self.task_list

    async def get(self, id_):
        answer = self.answers.get(id_, NotFound(GET, "gone"))
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def swept(monkeypatch):
    """A sweep over two running containers: its tasks, and the ends that it tells."""
    monkeypatch.setattr(task_poll, "LIST_SECONDS", 0.02)
    tasks, exits, supervisor = FakeTasks(), [], Supervisor()
    containers: Index[Container] = Index("container")
    for id_ in (ID, OTHER):
        containers.put(Container(id_, id_, "p", cri.ContainerConfig(), Status(1, 2, pid=7), "sha256:1"))

    async def ended(id_, code, _at_ns, *, reason=""):
        exits.append((id_, code, reason))

    monitor = Monitor(
        containerd=cast("Any", SimpleNamespace(tasks=tasks)),
        kernel=RecordingKernel(),
        namespace="k8s.io",
        readiness=Readiness(),
        recovery=cast("Any", None),
        images=cast("Any", None),
        exits=cast("Any", SimpleNamespace(ended=ended, out_of_memory=lambda _id: None)),
        sandboxes=Index("sandbox"),
        containers=containers,
        supervisor=supervisor,
        on_first_open=cast("Any", None),
    )
    yield monitor, tasks, exits
    await supervisor.stop()


async def sweep(monitor):
    await monitor._poll_for_lost_exits()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "answer",
    [
        Unavailable(GET, "away"),
        Unknown(GET, "ttrpc: closed: unknown"),
        DeadlineExceeded(GET, "late"),
        task_types.Process(id=ID, status=task_types.UNKNOWN),
        task_types.Process(id=ID, status=task_types.RUNNING),
    ],
)
@pytest.mark.parametrize("task_list", [[], None])
async def test_no_answer(swept, answer, task_list):
    """Neither of a list without the task nor of a look that fails an end is made."""
    monitor, tasks, exits = swept
    tasks.task_list, tasks.answers = task_list, {ID: answer, OTHER: answer}
    await sweep(monitor)
    assert exits == []


async def test_ends_that_no_event_announced(swept):
    """One task has stopped, the other is not there; both exits are recorded, beside each other."""
    monitor, tasks, exits = swept
    tasks.task_list = [task_types.Process(id=ID, status=task_types.STOPPED, exit_status=3)]
    await sweep(monitor)
    assert sorted(exits) == [(ID, 3, ""), (OTHER, 255, "Unknown")]


@pytest.mark.parametrize("topic", ["/tasks/exit", "/tasks/delete", "/tasks/oom"])
@pytest.mark.parametrize("value", [b"\xff\xff\xff", b"", b"\x0a\x01a"])
async def test_an_event_that_is_none(swept, topic, value):
    """Bytes that are no message, one without an id, one of another client's container: the stream goes on."""
    monitor, _tasks, exits = swept
    envelope = types_pb2.Envelope(topic=topic)
    envelope.event.value = value
    monitor._dispatch(envelope)
    await asyncio.sleep(0)
    assert [id_ for id_, _, _ in exits if id_ in (ID, OTHER)] == []
