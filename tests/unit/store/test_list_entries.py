"""Lists are joined from finished entries: the bytes are those of the message, and never those of yesterday."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from hypothesis import given
from hypothesis import strategies as st

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.container_list import list_containers
from cri_shim.rpc.sandbox_list import list_pod_sandbox
from cri_shim.store.containers import Container, Status
from cri_shim.store.index import Index
from cri_shim.store.sandboxes import Sandbox
from cri_shim.store.wire import varint

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


@given(st.integers(0, 2**40))
def test_varints_read_back(value):
    """Our numbers are protobuf's: a message with the same field has the same bytes."""
    assert cri.PodSandbox(created_at=value).SerializeToString() == (b"\x20" + varint(value) if value else b"")


@given(st.lists(st.dictionaries(st.text(max_size=300), st.text(max_size=300), max_size=3), max_size=6))
async def test_a_list_reads_back_as_its_entries(labels):
    """Joined entries parse as the response with all pods in order, whatever their sizes."""
    pods = [sandbox(number, one) for number, one in enumerate(labels)]
    data = await list_pod_sandbox(service(*pods), cri.ListPodSandboxRequest())
    assert list(cri.ListPodSandboxResponse.FromString(data).items) == [pod.listed() for pod in pods]


async def test_a_change_shows_in_the_next_list():
    """An exit, a removal and a new pod are seen at once, in filtered and in plain lists."""
    node = service(sandbox(1, {"a": "b"}), sandbox(2, {}))

    async def listed(**filters):
        data = await list_pod_sandbox(node, cri.ListPodSandboxRequest(filter=cri.PodSandboxFilter(**filters)))
        return [(int(pod.id, 16), pod.state) for pod in cri.ListPodSandboxResponse.FromString(data).items]

    assert await listed() == [(1, cri.SANDBOX_READY), (2, cri.SANDBOX_READY)]
    node.sandboxes.update(f"{1:064x}", lambda pod: pod.but(exited_at=9))
    assert await listed() == [(1, cri.SANDBOX_NOTREADY), (2, cri.SANDBOX_READY)]
    assert await listed(label_selector={"a": "b"}) == [(1, cri.SANDBOX_NOTREADY)]
    node.sandboxes.drop(f"{2:064x}")
    assert await listed() == [(1, cri.SANDBOX_NOTREADY)]
    node.sandboxes.put(sandbox(3, {}))
    assert await listed() == [(1, cri.SANDBOX_NOTREADY), (3, cri.SANDBOX_READY)]


async def test_a_container_that_ends_is_listed_as_ended():
    """The entry of a container follows its status."""
    node = service()
    config = cri.ContainerConfig(metadata=cri.ContainerMetadata(name="c", attempt=2))
    node.containers.put(Container("c" * 64, "c", "s" * 64, config, Status(created_at=1, started_at=2), "sha256:i"))

    async def states():
        data = await list_containers(node, cri.ListContainersRequest(filter=cri.ContainerFilter()))
        return [(one.metadata.attempt, one.state) for one in cri.ListContainersResponse.FromString(data).containers]

    assert await states() == [(2, cri.CONTAINER_RUNNING)]
    node.containers.update("c" * 64, lambda one: one.but_status(finished_at=3))
    assert await states() == [(2, cri.CONTAINER_EXITED)]
