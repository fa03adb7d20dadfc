"""ListContainers and StreamContainers: the same filter, and no hop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from tests.unit.fake_node import Node


async def test_filters(node: Node) -> None:
    """Id and pod or beginnings of them, state and labels; a field that is not set lets everything through."""
    first_pod, first_config, first = await node.kubelet.running_container()
    second_pod, second_config = await node.kubelet.run_pod()
    labelled = node.kubelet.container_config()
    labelled.labels["app"] = "a"
    request = {"pod_sandbox_id": second_pod, "config": labelled, "sandbox_config": second_config}
    second = (await node.client.CreateContainer(**request)).container_id
    await node.until_idle()
    seen = len(node.fake.calls)
    wanted: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {first, second}),
        ({"id": first[:20]}, {first}),
        ({"pod_sandbox_id": second_pod[:20]}, {second}),
        ({"id": first, "pod_sandbox_id": second_pod}, set()),
        ({"state": {"state": cri.CONTAINER_CREATED}}, {second}),
        ({"state": {"state": cri.CONTAINER_RUNNING}}, {first}),
        ({"label_selector": {"app": "a"}}, {second}),
        ({"label_selector": {"app": "b"}}, set()),
    ]
    for fields, ids in wanted:
        shown = (await node.client.ListContainers(filter=fields)).containers
        assert {each.id for each in shown} == ids, fields
        streamed = [message async for message in node.client.stream("StreamContainers", filter=fields)]
        assert [each for message in streamed for each in message.containers] == list(shown)
        subjects = await node.client.ListContainerStats(filter={k: v for k, v in fields.items() if k != "state"})
        assert ids <= {each.attributes.id for each in subjects.stats}
    assert not node.hops("Containers/Get", "Containers/List", "Tasks/List", since=seen)
    assert first_config != second_config
    assert first_pod != second_pod


@pytest.mark.parametrize("rpc", ["ListContainers", "ListPodSandbox", "ListContainerStats", "ListPodSandboxStats"])
async def test_nothing_is_there(rpc: str, node: Node) -> None:
    """An empty node has empty lists."""
    answer = await getattr(node.client, rpc)()
    assert not answer.ByteSize()
