"""Events that are not delivered, that cannot be read, or whose numbers are odd: any client may publish some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import any_pb2, timestamp_pb2
from structlog.testing import capture_logs

from containerd_client import events
from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.api.containerd.types import types_pb2
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from tests.fakes.containerd.state import now
from tests.unit.crash_matrix.kubelet import Kubelet
from tests.unit.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client

IMAGE = "example.com/app:1"
PROBE = "/containerd-client/"


@pytest.fixture(autouse=True)
def _image(fake: FakeContainerd) -> None:
    fake.add_image(IMAGE)


async def test_a_subscription_that_delivers_nothing(
    service: Service, fake: FakeContainerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up after a while with a sentence, and made anew until events arrive."""
    monkeypatch.setattr(events, "_OPENED_SECONDS", 0.2)
    forward = fake.bus.forward
    monkeypatch.setattr(fake.bus, "forward", lambda one: one.topic.startswith(PROBE) or forward(one))
    await fake.go_away()
    await fake.come_back()
    await until(lambda: "no event of this client has come back within 0.2 s" in service.readiness.reason)
    monkeypatch.setattr(fake.bus, "forward", forward)
    await until(lambda: service.readiness.ready)


async def test_events_that_are_not_followed_any_more(
    service: Service, fake: FakeContainerd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ended it: the daemon is not ready, says why, and reads everything again when it follows them anew."""

    def fail(_id: str) -> None:
        raise RuntimeError("a mistake")

    with monkeypatch.context() as patched:
        patched.setattr(service.exits, "out_of_memory", fail)
        fake.bus.publish("k8s.io", "/tasks/oom", events_pb2.TaskOOM(container_id="x"))
        await until(lambda: not service.readiness.ready)
    assert "containerd's events cannot be followed: a mistake" in service.readiness.reason
    await until(lambda: service.readiness.ready)
    assert service.readiness.connects == 2


async def test_an_image_event_that_cannot_be_read(service: Service, fake: FakeContainerd) -> None:
    """It is skipped, and the next one is applied at once."""
    with capture_logs() as logs:
        broken = any_pb2.Any(type_url="containerd.events.ImageCreate", value=b"\xff\xff\xff")
        fake.bus.forward(types_pb2.Envelope(timestamp=now(), namespace="k8s.io", topic="/images/create", event=broken))
        fake.add_image("example.com/other:1")
        fake.bus.publish("k8s.io", "/images/create", images_pb2.ImageDelete(name="example.com/other:1"))
        await until(lambda: service.images.resolve("example.com/other:1") is not None)
    assert "background.failed" not in {one["event"] for one in logs}
    assert "containerd.event_unreadable" in {one["event"] for one in logs}


@pytest.mark.parametrize(("status", "code"), [(4294967295, -1), (255, 255), (2147483648, -2147483648)])
async def test_an_exit_with_odd_numbers(
    service: Service, fake: FakeContainerd, client: Client, tmp_path: Path, *, status: int, code: int
) -> None:
    """A status is the signed number that the plugin makes of it, and a time the latest that can be said."""
    _, _, id_ = await Kubelet(client, IMAGE, tmp_path / "logs").running_container()
    late = timestamp_pb2.Timestamp(seconds=10**11)
    event = events_pb2.TaskExit(container_id=id_, id=id_, pid=9, exit_status=status, exited_at=late)
    fake.bus.publish("k8s.io", "/tasks/exit", event)
    await until(lambda: service.containers.get(id_).status.finished_at)
    answer: Any = (await client.ContainerStatus(container_id=id_)).status
    assert (answer.exit_code, answer.finished_at) == (code, (1 << 63) - 1)
    [one] = (await client.ListContainers()).containers
    assert (one.id, one.state) == (id_, cri.CONTAINER_EXITED)
