"""ListPodSandbox and its filters."""

from __future__ import annotations

import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def three(node):
    """Two ready pods and a stopped one, with labels."""
    pods = [
        await node.run(labels={"set": "list", "app": "a"}, annotations={"k": "v"}),
        await node.run(labels={"set": "list", "app": "b"}),
        await node.run(labels={"set": "list", "app": "b", "tier": "x"}),
    ]
    node.pods.clear()
    await pods[2].stop()
    yield pods
    for pod in pods:
        await pod.remove()


async def ids(client, **fields):
    """Ids that a filter finds, in any order."""
    return {item.id for item in (await client.ListPodSandbox(filter=fields)).items}


async def test_without_a_filter_all_are_listed(client, three):
    """No filter, and an empty filter, list every pod."""
    everything = {item.id for item in (await client.ListPodSandbox()).items}
    assert {pod.id for pod in three} <= everything
    assert await ids(client) == everything


async def test_by_id_and_by_prefix(client, three):
    """A whole id or a unique prefix finds the one pod, an unknown one finds nothing and is no error."""
    assert await ids(client, id=three[0].id) == {three[0].id}
    assert await ids(client, id=three[0].id[:12]) == {three[0].id}
    assert await ids(client, id="f" * 64) == set()


async def test_by_state(client, three):
    """The state filter tells ready pods from those that are not."""
    ready = await ids(client, state={"state": cri.SANDBOX_READY})
    assert {three[0].id, three[1].id} <= ready
    assert three[2].id not in ready
    not_ready = await ids(client, state={"state": cri.SANDBOX_NOTREADY})
    assert three[2].id in not_ready
    assert not {three[0].id, three[1].id} & not_ready


@pytest.mark.proves("RuntimeService.ListPodSandbox", "PodSandboxConfig.labels")
async def test_by_labels(client, three):
    """All labels of the selector must match."""
    assert await ids(client, label_selector={"set": "list"}) == {pod.id for pod in three}
    assert await ids(client, label_selector={"set": "list", "app": "b"}) == {three[1].id, three[2].id}
    assert await ids(client, label_selector={"app": "b", "tier": "x"}) == {three[2].id}
    assert await ids(client, label_selector={"set": "list", "app": "c"}) == set()


async def test_filters_combine(client, three):
    """Id, state and labels are all required at once."""
    ready = {"state": cri.SANDBOX_READY}
    assert await ids(client, label_selector={"app": "b"}, state=ready) == {three[1].id}
    assert await ids(client, id=three[0].id, label_selector={"app": "b"}) == set()
    assert await ids(client, id=three[2].id, state=ready) == set()


async def test_an_item_has_what_the_status_has(client, three):
    """The listed item agrees with the pod's status."""
    item = (await client.ListPodSandbox(filter={"id": three[0].id})).items[0]
    status = await three[0].status()
    assert item.metadata == status.metadata
    assert item.state == status.state
    assert item.created_at == status.created_at
    assert item.labels == status.labels
    assert item.annotations == status.annotations
