"""What a service makes of containerd's events, of losing containerd, and of a containerd that fails in part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from structlog.testing import capture_logs

from containerd_client import retry
from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.api.containerd.services.introspection.v1 import introspection_pb2
from containerd_client.api.containerd.types import types_pb2
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.disk.status_file import read_status
from cri_shim.sync import monitor
from tests.fakes.containerd import FaultKind
from tests.fakes.containerd.state import now
from tests.fakes.cri import Client
from tests.fakes.service import make_service, until_idle
from tests.unit.crash_matrix.kubelet import Kubelet
from tests.unit.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.kernel import RecordingKernel

IMAGE = "example.com/app:1"
PINNED = pytest.mark.parametrize("service", [{"sandbox": {"infra": "pinned"}}], indirect=True)


@pytest.fixture(autouse=True)
def _image(fake: FakeContainerd) -> None:
    """What is pulled before the service starts."""
    fake.add_image(IMAGE)


@pytest.fixture
async def running(service: Service, client: Client, tmp_path: Path) -> tuple[str, str]:
    """A pod and a container that run."""
    pod_id, _, id_ = await Kubelet(client, IMAGE, tmp_path / "logs").running_container()
    await until_idle(service)
    return pod_id, id_


def events(logs: list[Any]) -> list[str]:
    """The names of log events about containerd, in order."""
    return [one["event"] for one in logs if one["event"].startswith(("containerd.", "sweep."))]


async def test_the_end_of_a_container(service: Service, fake: FakeContainerd, running: tuple[str, str]) -> None:
    """Its exit event says how it ended, and after it its task is deleted."""
    fake.exit_task(running[1], 3)
    await until(lambda: service.containers.get(running[1]).status.finished_at)
    assert service.containers.get(running[1]).status.exit_code == 3
    await until(lambda: running[1] not in fake.state["k8s.io"].tasks)


@pytest.mark.parametrize("seconds", [253402300799, 253402300800, 2**63 - 1])
async def test_an_end_beyond_what_the_cri_can_carry(
    service: Service, client: Client, fake: FakeContainerd, running: tuple[str, str], seconds: int
) -> None:
    """A shim's code of 32 bits and a time of the year 9999 or later: the container ended, and stays readable."""
    id_ = running[1]
    ended = events_pb2.TaskExit(container_id=id_, id=id_, pid=9, exit_status=2**32 - 1)
    ended.exited_at.seconds = seconds
    fake.bus.publish("k8s.io", "/tasks/exit", ended)
    await until(lambda: service.containers.get(id_).status.finished_at)
    status = (await client.ContainerStatus(container_id=id_)).status
    assert (status.exit_code, status.finished_at, status.state) == (-1, 2**63 - 1, cri.CONTAINER_EXITED)
    assert [one.state for one in (await client.ListContainers()).containers] == [cri.CONTAINER_EXITED]
    assert read_status(service.paths.container_root(id_)).exit_code == -1


async def test_events_with_texts_that_are_none(
    service: Service, fake: FakeContainerd, running: tuple[str, str]
) -> None:
    """Any client may publish any bytes: what is readable counts, what is not costs nothing but itself."""

    def publish(topic: str, data: bytes) -> None:
        fake.bus.forward(
            types_pb2.Envelope(timestamp=now(), namespace="k8s.io", topic=topic, event=AnyMessage(value=data))
        )

    id_ = running[1]
    image = images_pb2.ImageDelete(name="BAD").SerializeToString().replace(b"BAD", b"\xff\xfe\xfd")
    ended = events_pb2.TaskExit(container_id=id_, id=id_, exit_status=4, exited_at=now()).SerializeToString()
    with capture_logs() as logs:
        for topic, data in (("/images/delete", image), ("/images/create", b"\x0a\xff"), ("/tasks/exit", b"\x0a\xff")):
            publish(topic, data)
        # A field that this client knows as text, and that is none.
        publish("/tasks/exit", ended + b"\x0a\x01\xff" + ended)
        await until(lambda: service.containers.get(id_).status.finished_at)
        await until(lambda: len([one for one in logs if one["event"] == "containerd.event_unreadable"]) == 2)
    assert "background.failed" not in {one["event"] for one in logs}
    assert service.containers.get(id_).status.exit_code == 4


async def test_the_end_of_a_command(service: Service, fake: FakeContainerd, running: tuple[str, str]) -> None:
    """It is not that of its container; neither is that of a container which is not ours."""
    id_ = running[1]
    ended = events_pb2.TaskExit(container_id=id_, id="exec-1", pid=9, exit_status=1, exited_at=now())
    fake.bus.publish("k8s.io", "/tasks/exit", ended)
    fake.bus.publish("other", "/tasks/exit", events_pb2.TaskExit(container_id=id_, id=id_, exited_at=now()))
    fake.oom(id_)
    await until(lambda: service.containers.get(id_).oom_killed)
    assert service.containers.get(id_).running


async def test_a_task_that_containerd_threw_away(
    service: Service, fake: FakeContainerd, running: tuple[str, str]
) -> None:
    """Its deletion is the only event that says how it ended."""
    fake.task(running[1]).init.close_output()
    deleted = events_pb2.TaskDelete(container_id=running[1], pid=9, exit_status=5, exited_at=now())
    fake.bus.publish("k8s.io", "/tasks/delete", deleted)
    await until(lambda: not service.containers.get(running[1]).running)
    assert service.containers.get(running[1]).status.exit_code == 5


async def test_a_kill_for_want_of_memory(service: Service, fake: FakeContainerd, running: tuple[str, str]) -> None:
    """The reason is right, also where the event is later than the exit."""
    fake.exit_task(running[1], 137)
    await until(lambda: service.containers.get(running[1]).status.finished_at)
    fake.oom(running[1])
    await until(lambda: service.containers.get(running[1]).status.reason == "OOMKilled")


async def test_containerd_that_goes_and_comes_back(
    service: Service, fake: FakeContainerd, client: Client, running: tuple[str, str]
) -> None:
    """Meanwhile requests fail with that reason; afterwards everything is read again, also an exit without an event."""
    with capture_logs() as logs:
        await fake.go_away()
        await until(lambda: not service.readiness.ready)
        assert service.readiness.reason.startswith("containerd is away: ")
        fake.exit_task(running[1], 4)
        await fake.come_back()
        await until(lambda: service.readiness.ready)
    assert service.readiness.connects == 2
    assert events(logs) == ["containerd.lost", "containerd.connected"]
    await until(lambda: service.containers.get(running[1]).status.exit_code == 4)
    assert (await client.Status()).status.conditions[0].status


@pytest.mark.parametrize("method", ["Version/Version", "Leases/List"])
async def test_what_requests_can_do_without(
    fake: FakeContainerd, kernel: RecordingKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A service without containerd's version, or with what an earlier one left, answers all the same."""
    monkeypatch.setattr(retry, "BUDGET", 0.01)
    fake.faults.add(method, FaultKind.UNKNOWN, text="no", times=None)
    with capture_logs() as logs:
        async with make_service(fake, kernel, tmp_path) as service:
            assert service.readiness.containerd_version == ("" if method.startswith("Version") else fake.version)
    said = "containerd.version_unknown" if method.startswith("Version") else "containerd.not_tidied"
    assert said in events(logs)


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (introspection_pb2.Plugin(type="io.containerd.grpc.v1", id="cri"), ["containerd.plugin_is_on"]),
        (introspection_pb2.Plugin(type="io.containerd.grpc.v1", id="cri", init_err={"code": 1}), []),
        (introspection_pb2.Plugin(type="io.containerd.cri.v1", id="cri"), []),
        (None, ["containerd.plugins_unknown"]),
    ],
    ids=["on", "failed", "another type", "not known"],
)
async def test_containerds_own_plugin(
    fake: FakeContainerd, kernel: RecordingKernel, tmp_path: Path, *, plugin: Any, said: list[str]
) -> None:
    """It would take our pods for its own, which is said loudly."""
    if plugin is None:
        fake.faults.add("Introspection/Plugins", FaultKind.UNKNOWN, times=None)
    else:
        fake.introspection.plugin_list.append(plugin)
    with capture_logs() as logs:
        async with make_service(fake, kernel, tmp_path):
            await until(lambda: fake.called("Introspection/Plugins") and fake.called("Introspection/Plugins")[-1].ended)
            await until(lambda: not said or said[0] in events(logs))
    assert [one for one in events(logs) if "plugin" in one] == said


@pytest.mark.parametrize("service", [{"containerd": {"namespace": "other"}}], indirect=True)
async def test_another_namespace(service: Service, fake: FakeContainerd) -> None:
    """The plugin does not look there, and is not asked for."""
    assert service.readiness.ready
    assert not [call for call in fake.called("Introspection/Plugins") if "id==cri" in str(call.request)]


@PINNED
@pytest.mark.parametrize("fails", [False, True])
async def test_a_sweep_over_pods_without_a_process(
    service: Service, kernel: RecordingKernel, client: Client, tmp_path: Path, *, fails: bool
) -> None:
    """No event tells that a namespace was unmounted; while that is not known, the pod stays as it was."""
    pod_id, _ = await Kubelet(client, IMAGE, tmp_path / "logs").run_pod()
    await until_idle(service)
    swept = monitor_of(service)
    if fails:
        kernel.fail["filesystem_type"] = OSError(5, "Input/output error")
    else:
        kernel.namespaces.clear()
    with capture_logs() as logs:
        await swept._poll_for_lost_namespaces()
    assert events(logs) == (["sweep.failed"] if fails else ["sweep.namespaces_gone"])
    assert service.sandboxes.get(pod_id).state == (cri.SANDBOX_READY if fails else cri.SANDBOX_NOTREADY)
    kernel.fail.clear()


async def test_a_sweep_over_pods_with_a_process(
    service: Service, kernel: RecordingKernel, running: tuple[str, str]
) -> None:
    """The file of their network namespace is looked at."""
    kernel.namespaces.clear()
    await monitor_of(service)._poll_for_lost_namespaces()
    assert service.sandboxes.get(running[0]).netns_gone


async def test_sweeping(
    fake: FakeContainerd, kernel: RecordingKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It continues forever, finds an exit that no event announced, and survives every failure."""
    monkeypatch.setattr(monitor, "SWEEP_EVERY", 0.01)
    async with make_service(fake, kernel, tmp_path) as service:
        pod_id, _, id_ = await Kubelet(Client(service), IMAGE, tmp_path / "logs").running_container()
        await until_idle(service)
        fault = fake.faults.add("Tasks/List", FaultKind.UNKNOWN)
        await until(lambda: fault.struck)
        publish = fake.bus.publish
        monkeypatch.setattr(fake.bus, "publish", lambda *_: None)
        fake.exit_task(id_, 6)
        await until(lambda: service.containers.get(id_).status.finished_at)
        assert service.containers.get(id_).status.exit_code == 6
        assert service.sandboxes.get(pod_id).ready
        monkeypatch.setattr(fake.bus, "publish", publish)


def monitor_of(service: Service) -> monitor.Monitor:
    """A monitor of the same stores, of which only the sweep is used."""
    unused: Any = None
    return monitor.Monitor(
        containerd=service.containerd,
        kernel=service.kernel,
        namespace="k8s.io",
        readiness=service.readiness,
        recovery=unused,
        images=service.images,
        exits=service.exits,
        sandboxes=service.sandboxes,
        containers=service.containers,
        supervisor=unused,
        on_first_open=unused,
    )
