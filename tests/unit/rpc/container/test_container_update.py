"""UpdateContainerResources: the record first, then the task, and the old record again when the task refuses."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from cri_shim.kernel import oom_score
from lab.cri_client import failure
from tests.fakes.containerd import FaultKind
from tests.unit.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client
    from tests.unit.fake_node import Node

SHARES = {"cpu_shares": 77}
SCORE = {"oom_score_adj": 500}


def spec_of(fake: FakeContainerd, id_: str) -> dict[str, Any]:
    """Return the runtime spec of a container's record."""
    spec: dict[str, Any] = json.loads(fake.state["k8s.io"].containers[id_].spec.value)
    return spec


async def shares(client: Client, id_: str) -> int:
    """Return the CPU shares that a client is told."""
    return int((await client.ContainerStatus(container_id=id_)).status.resources.linux.cpu_shares)


async def test_a_container_that_runs(node: Node) -> None:
    """Record, task and status have the new limits, and the annotations go to the runtime."""
    _, _, id_ = await node.kubelet.running_container()
    seen = len(node.fake.calls)
    await node.client.UpdateContainerResources(container_id=id_, linux=SHARES, annotations={"a": "b"})
    assert [call.method for call in node.fake.calls[seen:]] == ["Containers/Get", "Containers/Update", "Tasks/Update"]
    assert spec_of(node.fake, id_)["linux"]["resources"]["cpu"]["shares"] == 77
    (given,) = node.fake.task(id_).resources
    assert json.loads(given.value)["cpu"]["shares"] == 77
    request: Any = node.fake.called("Tasks/Update")[0].request
    assert dict(request.annotations) == {"a": "b"}
    assert await shares(node.client, id_) == 77
    assert "77" in (node.service.paths.container_root(id_) / "status").read_text()


async def test_a_container_that_does_not_run_yet(node: Node) -> None:
    """Only its record changes."""
    id_ = await node.kubelet.create(*await node.kubelet.run_pod())
    await node.client.UpdateContainerResources(container_id=id_, linux=SHARES)
    assert not node.fake.called("Tasks/Update")
    assert spec_of(node.fake, id_)["linux"]["resources"]["cpu"]["shares"] == 77
    assert await shares(node.client, id_) == 77


async def test_a_task_that_refuses(node: Node) -> None:
    """The client gets the runtime's words, and the old limits stand."""
    _, _, id_ = await node.kubelet.running_container()
    before = spec_of(node.fake, id_)
    old = await shares(node.client, id_)
    node.fake.faults.add("Tasks/Update", FaultKind.UNKNOWN, text="the limit is below what is used")
    code, text = await failure(node.client.UpdateContainerResources(container_id=id_, linux=SHARES))
    assert code == grpc.StatusCode.UNKNOWN
    assert "the limit is below what is used" in text
    assert spec_of(node.fake, id_) == before
    assert await shares(node.client, id_) == old
    await node.client.UpdateContainerResources(container_id=id_, linux=SHARES)
    assert await shares(node.client, id_) == 77


async def test_a_record_that_cannot_be_written(node: Node) -> None:
    """The task is not asked at all."""
    _, _, id_ = await node.kubelet.running_container()
    node.fake.faults.add("Containers/Update", FaultKind.UNKNOWN, text="the database is locked")
    _, text = await failure(node.client.UpdateContainerResources(container_id=id_, linux=SHARES))
    assert "the database is locked" in text
    assert not node.fake.called("Tasks/Update")


async def test_a_container_that_ends_meanwhile(node: Node) -> None:
    """The limits stand in the record, and that is enough."""
    _, _, id_ = await node.kubelet.running_container()
    del node.fake.state["k8s.io"].tasks[id_]
    await node.client.UpdateContainerResources(container_id=id_, linux=SHARES)
    assert spec_of(node.fake, id_)["linux"]["resources"]["cpu"]["shares"] == 77


@pytest.mark.parametrize("method", ["Containers/Get", "Containers/Update", "Tasks/Update"])
async def test_hang_up(method: str, node: Node) -> None:
    """The limits are changed without their client, in all places or in none."""
    id_ = await node.running()
    node.fake.faults.add(method, FaultKind.HANG)
    updating = asyncio.create_task(node.client.UpdateContainerResources(container_id=id_, linux=SHARES))
    await until(lambda: node.fake.faults.hanging)
    updating.cancel()
    await asyncio.wait([updating])
    node.fake.faults.clear()
    await node.until_idle()
    assert await shares(node.client, id_) == 77
    assert spec_of(node.fake, id_)["linux"]["resources"]["cpu"]["shares"] == 77


async def test_nothing_to_change(node: Node) -> None:
    """A request without limits and annotations makes no hop."""
    _, _, id_ = await node.kubelet.running_container()
    seen = len(node.fake.calls)
    await node.client.UpdateContainerResources(container_id=id_)
    assert not node.asked(since=seen)


async def test_what_is_refused(node: Node) -> None:
    """An unknown container, limits for Windows, a limit that is none, and a container that has ended."""
    _, _, id_ = await node.kubelet.running_container()
    windows = {"windows": {"cpu_shares": 1}}
    for fields, expected, words in (
        ({"container_id": "nothing", "linux": SHARES}, "NOT_FOUND", "nothing"),
        ({"container_id": id_, **windows}, "INVALID_ARGUMENT", "runs on Linux"),
        ({"container_id": id_, "linux": {"oom_score_adj": 2000}}, "INVALID_ARGUMENT", "2000"),
    ):
        status, text = await failure(node.client.UpdateContainerResources(**fields))
        assert (status.name, words in text) == (expected, True), text
    node.fake.exit_task(id_, 0)
    await until(lambda: not node.service.containers.get(id_).running)
    _, text = await failure(node.client.UpdateContainerResources(container_id=id_, linux=SHARES))
    assert text == f"container {id_} is exited; its resources cannot be changed"
    node.service.containers.update(id_, lambda container: container.replace(removing=True))
    code, text = await failure(node.client.UpdateContainerResources(container_id=id_, linux=SHARES))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text == f"container {id_} is being removed; its resources cannot be changed"


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc in which tests make processes."""
    directory = tmp_path / "proc"
    directory.mkdir()
    monkeypatch.setattr(oom_score.move_oom_scores, "__defaults__", (directory,))
    return directory


def make_process(proc: Path, pid: int, score: int) -> Path:
    """Make a process with an OOM score; return the file that has it."""
    proc.joinpath(str(pid)).mkdir()
    file = proc / str(pid) / "oom_score_adj"
    file.write_text(f"{score}\n")
    return file


async def test_the_oom_score(proc: Path, node: Node) -> None:
    """Processes with the old score get the new one, and get the old one again when the runtime refuses the rest."""
    _, _, id_ = await node.kubelet.running_container()
    old = int(spec_of(node.fake, id_)["process"].get("oomScoreAdj") or 0)
    file = make_process(proc, node.fake.task(id_).init.pid, old)
    node.fake.faults.add("Tasks/Update", FaultKind.UNKNOWN)
    await failure(node.client.UpdateContainerResources(container_id=id_, linux=SCORE))
    assert int(file.read_text()) == old
    await node.client.UpdateContainerResources(container_id=id_, linux=SCORE)
    assert int(file.read_text()) == 500


async def test_an_oom_score_that_cannot_be_set(proc: Path, node: Node) -> None:
    """The client is told which score was asked for, and the record is as it was."""
    _, _, id_ = await node.kubelet.running_container()
    before = spec_of(node.fake, id_)
    proc.joinpath(str(node.fake.task(id_).init.pid), "oom_score_adj").mkdir(parents=True)
    code, text = await failure(node.client.UpdateContainerResources(container_id=id_, linux=SCORE))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text == f"oom_score_adj of container {id_} cannot be changed from 0 to 500: Is a directory"
    assert spec_of(node.fake, id_) == before
