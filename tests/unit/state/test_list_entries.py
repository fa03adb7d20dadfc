"""Lists are joined from finished entries: the bytes are those of the message, and never those of yesterday."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from containerd_client.distribution.values.manifest import Descriptor
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.images.table import Image
from cri_shim.ledger.ledger import Ledger
from cri_shim.rpc.container_events import get_container_events
from cri_shim.rpc.container_list import list_containers
from cri_shim.rpc.image_list import image_message
from cri_shim.rpc.one_of import one_of
from cri_shim.rpc.sandbox_list import list_pod_sandbox
from cri_shim.state.container_events import Events
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox

if TYPE_CHECKING:
    from cri_shim.service import Service


def sandbox(number: int, labels: dict[str, str]) -> Sandbox:
    return Sandbox(
        f"{number:064x}", f"pod-{number}", cri.PodSandboxConfig(labels=labels), number + 1, pid=number, cni_result={}
    )


def service(*sandboxes: Sandbox) -> Service:
    index: Index[Sandbox] = Index("sandbox")
    for one in sandboxes:
        index.put(one)
    return cast("Service", SimpleNamespace(sandboxes=index, containers=Index("container")))


@given(st.lists(st.dictionaries(st.text(max_size=300), st.text(max_size=300), max_size=3), max_size=6))
async def test_a_list_reads_back_as_its_entries(labels):
    """Joined entries parse as the response with all pods in order, whatever their sizes."""
    pods = [sandbox(number, one) for number, one in enumerate(labels)]
    data = await list_pod_sandbox(service(*pods), cri.ListPodSandboxRequest())
    assert list(cri.ListPodSandboxResponse.FromString(data).items) == [pod.to_cri() for pod in pods]


async def test_a_change_shows_in_the_next_list():
    """An exit, a removal and a new pod are seen at once, in filtered and in plain lists."""
    node = service(sandbox(1, {"a": "b"}), sandbox(2, {}))

    async def list_ids(**filters):
        data = await list_pod_sandbox(node, cri.ListPodSandboxRequest(filter=cri.PodSandboxFilter(**filters)))
        return [(int(pod.id, 16), pod.state) for pod in cri.ListPodSandboxResponse.FromString(data).items]

    assert await list_ids() == [(1, cri.SANDBOX_READY), (2, cri.SANDBOX_READY)]
    node.sandboxes.update(f"{1:064x}", lambda pod: pod.replace(exited_at=9))
    assert await list_ids() == [(1, cri.SANDBOX_NOTREADY), (2, cri.SANDBOX_READY)]
    assert await list_ids(label_selector={"a": "b"}) == [(1, cri.SANDBOX_NOTREADY)]
    node.sandboxes.drop(f"{2:064x}")
    assert await list_ids() == [(1, cri.SANDBOX_NOTREADY)]
    node.sandboxes.put(sandbox(3, {}))
    assert await list_ids() == [(1, cri.SANDBOX_NOTREADY), (3, cri.SANDBOX_READY)]


async def test_a_container_that_ends_is_listed_as_ended():
    """The entry of a container follows its status."""
    node = service()
    config = cri.ContainerConfig(metadata=cri.ContainerMetadata(name="c", attempt=2))
    node.containers.put(Container("c" * 64, "c", "s" * 64, config, Status(created_at=1, started_at=2), "sha256:i"))

    async def states():
        data = await list_containers(node, cri.ListContainersRequest(filter=cri.ContainerFilter()))
        return [(one.metadata.attempt, one.state) for one in cri.ListContainersResponse.FromString(data).containers]

    assert await states() == [(2, cri.CONTAINER_RUNNING)]
    node.containers.update("c" * 64, lambda one: one.with_status(finished_at=3))
    assert await states() == [(2, cri.CONTAINER_EXITED)]


async def test_a_list_of_what_runs_is_kept_until_something_changes(monkeypatch):
    """A kubelet asks for it every two seconds; entries are made again only after a change, which shows at once."""
    made: list[str] = []

    def entry(pod: Sandbox) -> bytes:
        made.append(pod.id)
        return cri.ListPodSandboxResponse(items=[pod.to_cri()]).SerializeToString()

    monkeypatch.setattr(Sandbox, "list_entry", entry)
    node = service(sandbox(1, {}), sandbox(2, {}))
    wanted = cri.PodSandboxFilter(state=cri.PodSandboxStateValue(state=cri.SANDBOX_READY))

    async def ready() -> list[int]:
        data = await list_pod_sandbox(node, cri.ListPodSandboxRequest(filter=wanted))
        return [int(pod.id, 16) for pod in cri.ListPodSandboxResponse.FromString(data).items]

    assert [await ready(), await ready()] == [[1, 2], [1, 2]]
    assert len(made) == 2
    node.sandboxes.update(f"{1:064x}", lambda pod: pod.replace(exited_at=9))
    assert await ready() == [2]
    assert len(made) == 3


async def test_a_filter_by_state_leaves_the_other_conditions_in_force():
    """A state beside an id or labels is one condition more; a state that does not exist selects nothing."""
    node = service()
    for number, status in enumerate((Status(created_at=1), Status(created_at=1, started_at=2))):
        config = cri.ContainerConfig(metadata=cri.ContainerMetadata(name="c"), labels={"n": str(number)})
        node.containers.put(Container(f"{number:064x}", "c", "5" * 64, config, status, "sha256:i"))

    async def numbers(state: int, more: cri.ContainerFilter | None = None) -> list[int]:
        wanted = cri.ContainerFilter.FromString(b"\x12\x02\x08" + bytes([state]))
        wanted.MergeFrom(more or cri.ContainerFilter())
        data = await list_containers(node, cri.ListContainersRequest(filter=wanted))
        return [int(one.id, 16) for one in cri.ListContainersResponse.FromString(data).containers]

    assert await numbers(cri.CONTAINER_CREATED) == [0]
    assert await numbers(cri.CONTAINER_RUNNING) == [1]
    assert await numbers(cri.CONTAINER_RUNNING, cri.ContainerFilter(label_selector={"n": "0"})) == []
    assert await numbers(cri.CONTAINER_RUNNING, cri.ContainerFilter(pod_sandbox_id="6")) == []
    assert await numbers(cri.CONTAINER_RUNNING, cri.ContainerFilter(id=f"{1:064x}")) == [1]
    assert await numbers(99) == []


SURROGATE = "\ud800"


async def test_a_pod_that_cannot_be_said_is_listed_by_its_id():
    """One value that fits into no message fails no list, neither plain nor filtered; the log says it once."""
    good, bad = sandbox(1, {}), sandbox(2, {}).replace(runtime_handler=SURROGATE)
    with capture_logs() as logs:
        for wanted in (cri.PodSandboxFilter(), cri.PodSandboxFilter(id=f"{0:x}")):
            data = await list_pod_sandbox(service(good, bad), cri.ListPodSandboxRequest(filter=wanted))
            items = {pod.id: pod for pod in cri.ListPodSandboxResponse.FromString(data).items}
            assert items[good.id] == good.to_cri()
            assert items[bad.id].state == cri.SANDBOX_NOTREADY
            assert items[bad.id].metadata.uid == bad.id
        assert bad.to_cri().id == bad.id
    assert [line["event"] for line in logs] == ["list.entry_unsayable"]


async def test_a_container_that_cannot_be_said_is_listed_by_its_id():
    """The same for containers."""
    bad = Container(
        id="d" * 64, name="c", sandbox_id="e" * 64, config=cri.ContainerConfig(), status=Status(1 << 70), image_id="i"
    )
    node = service()
    node.containers.put(bad)
    (shown,) = cri.ListContainersResponse.FromString(
        await list_containers(node, cri.ListContainersRequest())
    ).containers
    assert (shown.id, shown.state) == (bad.id, cri.CONTAINER_UNKNOWN)


def test_a_message_of_a_list_that_cannot_be_filled_is_left_out():
    """Statistics and metrics: the others stay, and the bad one leaves nothing half."""
    response = cri.ListContainerStatsResponse()
    for id_, size in (("a", 1), ("b", -1), ("c", 3)):
        with one_of(response.stats, "container statistics", id_) as stats:
            stats.attributes.id = id_
            stats.writable_layer.used_bytes.value = size
    assert [one.attributes.id for one in response.stats] == ["a", "c"]


async def test_an_event_that_cannot_be_said_is_passed_over():
    """The subscription goes on with the next one."""
    pods: Index[Sandbox] = Index("sandbox")
    node = cast("Service", SimpleNamespace(events=Events(pods, Index("container")), ledger=Ledger(), images=None))
    stream = await get_container_events(node, cri.GetEventsRequest())
    pods.put(sandbox(1, {}).replace(pid=0, runtime_handler=SURROGATE))
    pods.update(f"{1:064x}", lambda pod: pod.replace(pid=7))
    pods.put(sandbox(2, {}).replace(pid=0))
    pods.update(f"{2:064x}", lambda pod: pod.replace(pid=7))
    async with asyncio.timeout(20):
        assert int((await anext(stream)).container_id, 16) == 2


def test_an_image_that_cannot_be_said_is_listed_by_its_id():
    """A size below nothing, say."""
    image = Image("sha256:" + "a" * 64, Descriptor("m", "sha256:" + "b" * 64, 1), "", -1)
    assert image_message(image) == cri.Image(id=image.id)
