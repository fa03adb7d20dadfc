"""StartContainer: what it needs, the order of its steps, and a container whose start has failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest

from containerd_client.api.containerd.events import events_pb2
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.disk.status_file import read_status
from cri_shim.lifecycle.container import failed_start
from lab.cri_client import failure
from lab.pod_configs import TARGET, container_config
from tests.fakes.containerd import FaultKind
from tests.unit.waiting import until

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

STEPS = ("Tasks/Create", "Tasks/Start")


async def created(node: Node) -> str:
    """Run a pod and create a container in it; return the container's id."""
    id_ = await node.kubelet.create(*await node.kubelet.run_pod())
    await node.until_idle()
    return id_


async def test_a_container_that_runs(node: Node) -> None:
    """Its log is there, its process is known, and both survive a crash."""
    id_ = await created(node)
    await node.client.StartContainer(container_id=id_)
    status = (await node.client.ContainerStatus(container_id=id_)).status
    assert status.state == cri.CONTAINER_RUNNING
    assert status.created_at <= status.started_at
    assert node.service.containers.get(id_).status.pid == node.fake.task(id_).init.pid
    assert (node.directory / "logs/main/0.log").exists()
    assert "started" in (node.service.paths.container_root(id_) / "status").read_text().lower()


@pytest.mark.parametrize("method", STEPS)
async def test_a_start_that_fails(method: str, node: Node) -> None:
    """The container has ended with the words of the runtime, and only a removal is possible after that."""
    id_ = await created(node)
    node.fake.faults.add(method, FaultKind.UNKNOWN, text="no such program")
    code, text = await failure(node.client.StartContainer(container_id=id_))
    assert code == grpc.StatusCode.UNKNOWN
    assert "no such program" in text
    status = (await node.client.ContainerStatus(container_id=id_)).status
    assert (status.state, status.exit_code, status.reason) == (cri.CONTAINER_EXITED, 128, "StartError")
    assert "no such program" in status.message
    assert id_ not in node.fake.state["k8s.io"].tasks
    assert not node.service.logs.follows(id_)
    code, text = await failure(node.client.StartContainer(container_id=id_))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text == f"container {id_} is exited; only a created container can be started"
    await node.client.RemoveContainer(container_id=id_)


async def test_cgroups_that_a_failed_runtime_has_left(node: Node) -> None:
    """The runtime may be ended after it has made them; containerd, which knows of no task, cannot remove them."""
    id_ = await created(node)
    [sandbox] = node.service.sandboxes
    parent = sandbox.config.linux.cgroup_parent or "/k8s.io"
    left = node.cgroups.directory("memory", f"{parent}/{id_}")
    (left / "below").mkdir(parents=True)
    node.fake.faults.add("Tasks/Create", FaultKind.UNKNOWN, text="killed")
    await failure(node.client.StartContainer(container_id=id_))
    assert not left.exists()


async def test_a_failed_start_is_on_disk(node: Node) -> None:
    """A daemon that restarts afterwards still knows that the container has ended, and why."""
    id_ = await created(node)
    node.fake.faults.add("Tasks/Create", FaultKind.UNKNOWN, text="no such program")
    await failure(node.client.StartContainer(container_id=id_))
    status = read_status(node.service.paths.container_root(id_))
    assert (status.exit_code, status.reason) == (128, "StartError")
    assert "no such program" in status.message


async def test_a_log_that_cannot_be_opened(node: Node) -> None:
    """The sentence names the file, and no task is left."""
    (node.directory / "logs").mkdir()
    (node.directory / "logs/main").touch()
    id_ = await created(node)
    code, text = await failure(node.client.StartContainer(container_id=id_))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text.startswith(f"container {id_} cannot be started: ")
    assert str(node.directory / "logs/main") in text
    assert id_ not in node.fake.state["k8s.io"].tasks
    assert (await node.kubelet.states())[id_] == cri.CONTAINER_EXITED


async def test_a_start_that_fails_and_cannot_be_undone(node: Node) -> None:
    """Whether it runs is unknown until containerd says so; the container may only be stopped and removed."""
    id_ = await created(node)
    node.fake.faults.add("Tasks/Start", FaultKind.UNKNOWN, text="the shim is confused")
    node.fake.faults.add("Tasks/Kill", FaultKind.UNKNOWN, text="no")
    node.fake.faults.add("Tasks/Delete", FaultKind.UNKNOWN, text="device or resource busy")
    await failure(node.client.StartContainer(container_id=id_))
    status = (await node.client.ContainerStatus(container_id=id_)).status
    assert status.state == cri.CONTAINER_UNKNOWN
    assert "device or resource busy" in status.message
    await node.client.StopContainer(container_id=id_, timeout=1)
    await node.client.RemoveContainer(container_id=id_)
    assert not await node.kubelet.states()


@pytest.mark.parametrize("method", STEPS)
async def test_a_containerd_that_goes_away_meanwhile(method: str, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has refused the container: it is as before and can be started, however late the undo succeeds."""
    monkeypatch.setattr(failed_start, "FIRST_PAUSE", 0.05)
    id_ = await created(node)
    node.fake.faults.add(method, FaultKind.GONE)
    code, _ = await failure(node.client.StartContainer(container_id=id_))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert node.service.containers.get(id_).state == cri.CONTAINER_UNKNOWN
    node.fake.faults.clear()
    await node.fake.come_back()
    await until(lambda: node.service.readiness.ready and not node.service.containers.get(id_).unknown_reason)
    assert id_ not in node.fake.state["k8s.io"].tasks
    assert not node.service.logs.follows(id_)
    assert (await node.kubelet.states())[id_] == cri.CONTAINER_CREATED
    await node.client.StartContainer(container_id=id_)
    await node.until_idle()
    assert (await node.kubelet.states())[id_] == cri.CONTAINER_RUNNING
    node.fake.exit_task(id_, 3)
    await until(lambda: node.service.containers.get(id_).status.finished_at)
    assert node.service.containers.get(id_).status.exit_code == 3
    await until(lambda: id_ not in node.fake.state["k8s.io"].tasks)


@pytest.mark.parametrize("method", STEPS)
async def test_a_containerd_that_does_not_take_the_call(method: str, node: Node) -> None:
    """The undo succeeds at once; the end of the process that it killed is not the container's."""
    id_ = await created(node)
    node.fake.faults.add(method, FaultKind.UNAVAILABLE, times=None)
    code, _ = await failure(node.client.StartContainer(container_id=id_))
    assert code == grpc.StatusCode.UNAVAILABLE
    node.fake.bus.publish("k8s.io", "/tasks/exit", events_pb2.TaskExit(container_id=id_, id=id_, exit_status=137))
    await node.until_idle()
    assert (await node.kubelet.states())[id_] == cri.CONTAINER_CREATED
    node.fake.faults.clear()
    await node.client.StartContainer(container_id=id_)
    assert (await node.kubelet.states())[id_] == cri.CONTAINER_RUNNING


async def test_what_an_interrupted_start_has_left(node: Node) -> None:
    """A task that is in the way is removed, and the next start succeeds."""
    id_ = await created(node)
    await node.service.containerd.tasks.create(id_)
    code, _ = await failure(node.client.StartContainer(container_id=id_))
    assert code == grpc.StatusCode.ALREADY_EXISTS
    assert (await node.kubelet.states())[id_] == cri.CONTAINER_CREATED
    await node.client.StartContainer(container_id=id_)
    assert (await node.kubelet.states())[id_] == cri.CONTAINER_RUNNING


@pytest.mark.parametrize("said", ["container with given ID already exists", "container `abc` already exists"])
async def test_what_an_interrupted_start_has_left_in_the_runtime(node: Node, said: str) -> None:
    """A container that only the runtime knows is undone likewise, and is no reason to take the container for ended."""
    id_ = await created(node)
    node.fake.faults.add(
        "Tasks/Create", FaultKind.UNKNOWN, text=f"OCI runtime create failed: runc create failed: {said}"
    )
    _, text = await failure(node.client.StartContainer(container_id=id_))
    assert said in text
    assert (await node.kubelet.states())[id_] == cri.CONTAINER_CREATED
    await node.client.StartContainer(container_id=id_)
    assert (await node.kubelet.states())[id_] == cri.CONTAINER_RUNNING


async def test_an_undo_that_succeeds_later(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The container has ended with the runtime's words then, which is on disk; recovery does not invent another end."""
    monkeypatch.setattr(failed_start, "FIRST_PAUSE", 0.2)
    id_ = await created(node)
    node.fake.faults.add("Tasks/Start", FaultKind.UNKNOWN, text="the runtime refuses")
    node.fake.faults.add("Tasks/Kill", FaultKind.UNKNOWN, text="no")
    node.fake.faults.add("Tasks/Delete", FaultKind.UNKNOWN, text="device or resource busy")
    await failure(node.client.StartContainer(container_id=id_))
    assert (await node.kubelet.states())[id_] == cri.CONTAINER_UNKNOWN
    await until(lambda: node.service.containers.get(id_).status.finished_at)
    status = read_status(node.service.paths.container_root(id_))
    assert (status.exit_code, status.reason) == (128, "StartError")
    assert "the runtime refuses" in status.message
    assert id_ not in node.fake.state["k8s.io"].tasks


@pytest.mark.parametrize("method", STEPS)
async def test_hang_up_at_a_step(method: str, node: Node) -> None:
    """The container runs all the same; a client that asks meanwhile joins the start."""
    id_ = await created(node)
    node.fake.faults.add(method, FaultKind.HANG)
    starting = asyncio.create_task(node.client.StartContainer(container_id=id_))
    await until(lambda: node.fake.faults.hanging)
    starting.cancel()
    await asyncio.wait([starting])
    again = asyncio.create_task(node.client.StartContainer(container_id=id_))
    node.fake.faults.clear()
    await again
    assert await node.kubelet.states() == {id_: cri.CONTAINER_RUNNING}


async def test_the_start_waits_for_its_pod(node: Node) -> None:
    """No container is started while the pause container is being started."""
    node.fake.faults.add("Tasks/Start", FaultKind.HANG)
    id_ = await node.kubelet.create(*await node.kubelet.run_pod())
    starting = asyncio.create_task(node.client.StartContainer(container_id=id_))
    await until(lambda: node.fake.faults.hanging)
    await asyncio.sleep(0.02)
    assert id_ not in node.fake.state["k8s.io"].tasks
    node.fake.faults.clear()
    await starting


async def test_what_is_refused(node: Node) -> None:
    """An unknown container, one that is being removed, one in a pod that is not ready, one without its target."""
    pod_id, config = await node.kubelet.run_pod()
    target = await node.kubelet.create(pod_id, config)
    other = container_config(node.kubelet.image, "other", pid=TARGET, target_id=target)
    code, text = await failure(node.client.CreateContainer(pod_sandbox_id=pod_id, config=other, sandbox_config=config))
    assert code == grpc.StatusCode.FAILED_PRECONDITION, text
    code, _ = await failure(node.client.StartContainer(container_id="nothing"))
    assert code == grpc.StatusCode.NOT_FOUND
    node.service.containers.update(target, lambda container: container.replace(removing=True))
    _, text = await failure(node.client.StartContainer(container_id=target))
    assert text == f"container {target} is being removed and cannot be started"
    node.service.containers.update(target, lambda container: container.replace(removing=False))
    await node.until_idle()
    node.fake.exit_task(pod_id, 0)
    await until(lambda: not node.service.sandboxes.get(pod_id).ready)
    code, text = await failure(node.client.StartContainer(container_id=target))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text.startswith(f"container {target} cannot be started: its sandbox {pod_id} ")


async def test_a_target_that_has_ended(node: Node) -> None:
    """A container that shares the processes of another one needs it to run."""
    pod_id, config, target = await node.kubelet.running_container()
    other = container_config(node.kubelet.image, "other", pid=TARGET, target_id=target)
    request = {"pod_sandbox_id": pod_id, "config": other, "sandbox_config": config}
    id_ = (await node.client.CreateContainer(**request)).container_id
    node.fake.exit_task(target, 0)
    await until(lambda: not node.service.containers.get(target).running)
    code, text = await failure(node.client.StartContainer(container_id=id_))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text == f"container {id_} cannot be started: its target container {target} is not running"


async def test_mounts_are_asked_for_when_they_are_not_known(node: Node) -> None:
    """After a restart of the daemon the snapshot's mounts come from containerd."""
    id_ = await created(node)
    known = node.service.containers.get(id_).rootfs
    node.service.containers.update(id_, lambda container: container.replace(rootfs=()))
    await node.client.StartContainer(container_id=id_)
    assert [each.source for each in node.fake.task(id_).rootfs] == [each.source for each in known]
