"""What a new daemon makes of what an earlier one has left: whole services, one after the other, on one containerd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.logs.registry import ContainerLogs
from cri_shim.sync import recovery, task_states
from cri_shim.sync.checkpoint_work import make_work
from tests.fakes.containerd import FaultKind
from tests.fakes.cri import Client
from tests.unit.sync.machine import IMAGE, Machine
from tests.unit.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.kernel import RecordingKernel

PINNED: dict[str, Any] = {"sandbox": {"infra": "pinned"}}


@pytest.fixture
def machine(fake: FakeContainerd, kernel: RecordingKernel, tmp_path: Path) -> Machine:
    """A node with an image."""
    fake.add_image(IMAGE)
    return Machine(fake, kernel, tmp_path)


@pytest.fixture
async def earlier(machine: Machine) -> tuple[str, str]:
    """The pod and the container of a daemon that has gone."""
    async with machine.daemon() as service:
        return await machine.running(service)


async def test_what_runs(machine: Machine, earlier: tuple[str, str]) -> None:
    """It runs on, and its end is recorded."""
    async with machine.daemon() as service:
        assert service.sandboxes.get(earlier[0]).ready
        assert service.containers.get(earlier[1]).running
        assert service.logs.follows(earlier[1])
        machine.fake.exit_task(earlier[1], 3)
        await until(lambda: service.containers.get(earlier[1]).status.exit_code == 3)


@pytest.mark.parametrize("known", [True, False])
async def test_an_end_while_no_daemon_was_there(machine: Machine, earlier: tuple[str, str], *, known: bool) -> None:
    """Its task says how it ended; without one that is not known."""
    machine.fake.exit_task(earlier[1], 4)
    if not known:
        del machine.space.tasks[earlier[1]]
    async with machine.daemon() as service:
        await until(lambda: service.containers.get(earlier[1]).status.finished_at)
        status = service.containers.get(earlier[1]).status
        assert (status.exit_code, status.reason) == ((4, "Error") if known else (255, "Unknown"))
        assert earlier[1] not in machine.space.tasks


async def test_what_another_client_has_deleted(machine: Machine) -> None:
    """It is forgotten when containerd is read again, and its names are free."""
    async with machine.daemon() as service:
        ids = await machine.running(service)
        await machine.fake.go_away()
        await until(lambda: not service.readiness.ready)
        for id_ in ids:
            del machine.space.containers[id_]
            machine.space.tasks.pop(id_)
        with capture_logs() as logs:
            await machine.fake.come_back()
            await until(lambda: service.readiness.ready)
        assert not list(service.sandboxes)
        assert not list(service.containers)
        assert not service.sandbox_names.holders() | service.container_names.holders()
    assert {"recovery.container_vanished", "recovery.sandbox_vanished"} <= {one["event"] for one in logs}


@pytest.mark.parametrize("status", [task_types.CREATED, task_types.RUNNING])
async def test_a_task_that_was_never_started(machine: Machine, earlier: tuple[str, str], status: Any) -> None:
    """It is of no use, and goes; the container can be started."""
    for id_ in earlier:
        machine.fake.task(id_).init.status = status
    if status == task_types.CREATED:
        (machine.directory / "daemon/root/containers" / earlier[1] / "status").unlink()
    async with machine.daemon() as service:
        there = set(earlier) if status == task_types.RUNNING else set()
        await until(lambda: set(machine.space.tasks) == there)
        assert service.sandboxes.get(earlier[0]).ready is bool(there)


async def test_a_task_that_was_never_started_and_stays(machine: Machine, earlier: tuple[str, str]) -> None:
    """That is logged, and stops nothing."""
    machine.fake.task(earlier[0]).init.status = task_types.CREATED
    machine.fake.faults.add("Tasks/Delete", FaultKind.UNKNOWN, text="busy")
    with capture_logs() as logs:
        async with machine.daemon() as service:
            assert service.sandboxes.get(earlier[0]).state == cri.SANDBOX_NOTREADY
    assert [one["id"] for one in logs if one["event"] == "recovery.task_not_deleted"] == [earlier[0]]


async def test_a_process_that_runs_although_it_was_seen_to_end(machine: Machine, earlier: tuple[str, str]) -> None:
    """Nothing is known of such a container, and it can be removed."""
    async with machine.daemon() as service:
        machine.fake.exit_task(earlier[1], 0)
        await until(lambda: earlier[1] not in machine.space.tasks)
        task = machine.fake.task(earlier[0])
    machine.space.tasks[earlier[1]] = task.__class__(
        earlier[1], task.init.__class__(earlier[1], "", task.init.program, status=task_types.RUNNING, pid=9), ""
    )
    async with machine.daemon() as service:
        assert "its process 9 runs although" in service.containers.get(earlier[1]).unknown_reason
        await Client(service).RemoveContainer(container_id=earlier[1])
        assert earlier[1] not in machine.space.tasks


async def test_a_checkpoint_that_was_cut_off(machine: Machine) -> None:
    """The container goes on."""
    async with machine.daemon() as service:
        _, id_ = await machine.running(service)
        work = make_work(service.paths, id_)
        work.rename(work.with_name("checkpoint-of-another-process"))
    machine.fake.task(id_).status = task_types.PAUSED
    async with machine.daemon() as service:
        await until(lambda: machine.fake.task(id_).status != task_types.PAUSED)
        assert service.containers.get(id_).running


@pytest.mark.parametrize("how", ["there", "gone", "not to be looked at"])
async def test_a_pod_without_a_process(machine: Machine, how: str) -> None:
    """It is ready as long as its namespaces are; what is not known is left to the sweep."""
    async with machine.daemon(**PINNED) as service:
        pod_id, _ = await machine.running(service)
    if how == "gone":
        machine.kernel.namespaces.clear()
    kernel = machine.kernel
    filesystem_type = kernel.filesystem_type

    def refuse(path: str) -> int:
        if "/pinned-namespaces/" in path:
            raise OSError(5, "Input/output error", path)
        return filesystem_type(path)

    if how == "not to be looked at":
        kernel.filesystem_type = refuse  # type: ignore[method-assign]
    with capture_logs() as logs:
        async with machine.daemon(**PINNED) as service:
            assert service.sandboxes.get(pod_id).ready is (how != "gone")
    said = [one["event"] for one in logs if one["event"] == "recovery.namespaces_unknown"]
    assert bool(said) is (how == "not to be looked at")


async def test_two_pods_of_one_name(machine: Machine, earlier: tuple[str, str]) -> None:
    """Both are listed, so that the wrong one can be removed."""
    for id_ in earlier:
        copy = machine.space.containers[id_].__class__()
        copy.CopyFrom(machine.space.containers[id_])
        copy.id = id_[::-1]
        machine.space.containers[copy.id] = copy
    with capture_logs() as logs:
        async with machine.daemon() as service:
            assert {sandbox.id for sandbox in service.sandboxes} == {earlier[0], earlier[0][::-1]}
            assert {container.id for container in service.containers} == {earlier[1], earlier[1][::-1]}
    assert [one["event"] for one in logs].count("recovery.duplicate_name") == 2


async def test_records_that_cannot_be_read(machine: Machine, earlier: tuple[str, str]) -> None:
    """They are listed as unknown and can be removed."""
    for id_ in earlier:
        for extension in machine.space.containers[id_].extensions.values():
            extension.value = b"{"
    with capture_logs() as logs:
        async with machine.daemon() as service:
            client = Client(service)
            assert service.sandboxes.get(earlier[0]).unknown_reason
            assert service.containers.get(earlier[1]).unknown_reason
            await client.RemoveContainer(container_id=earlier[1])
            await client.StopPodSandbox(pod_sandbox_id=earlier[0])
            await client.RemovePodSandbox(pod_sandbox_id=earlier[0])
            assert not machine.space.containers
    assert {"recovery.sandbox_unreadable", "recovery.container_unreadable"} <= {one["event"] for one in logs}


async def test_a_container_that_names_no_pod(machine: Machine, earlier: tuple[str, str]) -> None:
    """A record that another client made with the plugin's label alone is listed, and can be removed."""
    _, id_ = earlier
    for name in (id_, "another"):
        machine.space.containers[name] = containers_pb2.Container(
            id=name, labels={"io.cri-containerd.kind": "container"}
        )
    async with machine.daemon() as service:
        client = Client(service)
        assert service.containers.get(id_).sandbox_id == ""
        for name in (id_, "another"):
            await client.StopContainer(container_id=name)
            await client.RemoveContainer(container_id=name)
        assert [sandbox.id for sandbox in service.sandboxes] == [earlier[0]]
        assert not service.containers
    assert not {id_, "another"} & set(machine.space.containers)


@pytest.mark.parametrize("method", ["resume", "collect"])
async def test_a_log_that_cannot_be_followed(
    machine: Machine, earlier: tuple[str, str], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """That is logged, and the container is what it is all the same."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ContainerLogs, method, refuse)
    if method == "collect":
        machine.fake.exit_task(earlier[1], 5)
    with capture_logs() as logs:
        async with machine.daemon() as service:
            assert service.containers.get(earlier[1]).running is (method == "resume")
    said = "recovery.log_not_resumed" if method == "resume" else "recovery.log_not_collected"
    assert said in {one["event"] for one in logs}


async def test_snapshots_without_a_record(machine: Machine, earlier: tuple[str, str]) -> None:
    """Those of a pod and a container whose records have gone are removed, with their tasks."""
    before = set(machine.space.snapshots["overlayfs"])
    for id_ in earlier:
        del machine.space.containers[id_]
        del machine.space.tasks[id_]
    with capture_logs() as logs:
        async with machine.daemon():
            await until(lambda: not before & set(earlier) & set(machine.space.snapshots["overlayfs"]))
    assert [one["snapshots"] for one in logs if one["event"] == "recovery.snapshots_removed"] == [2]


async def test_work_that_takes_long(
    machine: Machine, earlier: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon answers meanwhile: one shim that hangs holds up no other."""
    for module in (recovery, task_states):
        monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    machine.fake.task(earlier[0]).init.status = task_types.CREATED
    machine.fake.faults.add("Tasks/Delete", FaultKind.HANG)
    with capture_logs() as logs:
        async with machine.daemon() as service:
            assert service.readiness.ready
            assert machine.fake.faults.hanging
            machine.fake.faults.clear()
            await until(lambda: earlier[0] not in machine.space.tasks)
    assert "background.goes_on" in {one["event"] for one in logs}
