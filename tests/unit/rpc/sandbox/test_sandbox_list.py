"""ListPodSandbox and StreamPodSandboxes: the same filter, and no hop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.pod_configs import pod_config

if TYPE_CHECKING:
    from tests.unit.fake_node import Node


async def test_filters(node: Node) -> None:
    """Id or the beginning of one, state and labels; a field that is not set lets everything through."""
    ready = (await node.client.RunPodSandbox(config=pod_config(labels={"app": "a"}))).pod_sandbox_id
    stopped = (await node.client.RunPodSandbox(config=pod_config(labels={"app": "b"}))).pod_sandbox_id
    await node.client.StopPodSandbox(pod_sandbox_id=stopped)
    await node.until_idle()
    seen = len(node.fake.calls)
    wanted: list[tuple[dict[str, Any], set[str]]] = [
        ({}, {ready, stopped}),
        ({"id": ready[:20]}, {ready}),
        ({"state": {"state": cri.SANDBOX_READY}}, {ready}),
        ({"state": {"state": cri.SANDBOX_NOTREADY}}, {stopped}),
        ({"label_selector": {"app": "b"}}, {stopped}),
        ({"label_selector": {"app": "a", "tier": "x"}}, set()),
    ]
    for fields, ids in wanted:
        shown = (await node.client.ListPodSandbox(filter=fields)).items
        assert {each.id for each in shown} == ids, fields
        streamed = [message async for message in node.client.stream("StreamPodSandboxes", filter=fields)]
        assert [each for message in streamed for each in message.pod_sandboxes] == list(shown)
    assert not node.asked(since=seen)
