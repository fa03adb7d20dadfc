"""A snapshotter that containerd no longer has: each request says so, and a removal is done when it is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.cri_client import failure

if TYPE_CHECKING:
    from tests.unit.fake_node import Node


async def test_a_snapshotter_that_goes_away(node: Node) -> None:
    """To containerd the argument is invalid; to a client it is neither a mistake of its own nor a pod that is gone."""
    pod_id, config, id_ = await node.kubelet.running_container()
    await node.until_idle()
    kept = node.fake.backend.snapshotters
    node.fake.backend.snapshotters = []
    for request in (
        node.kubelet.run_pod(),
        node.kubelet.create(pod_id, config, 1),
        node.client.RemoveContainer(container_id=id_),
        node.client.RemovePodSandbox(pod_sandbox_id=pod_id),
    ):
        code, text = await failure(request)
        assert (code.name, "containerd has no snapshotter 'overlayfs'" in text) == ("FAILED_PRECONDITION", True)
    node.fake.backend.snapshotters = kept
    await node.client.RemovePodSandbox(pod_sandbox_id=pod_id)
    assert not await node.kubelet.pods()
