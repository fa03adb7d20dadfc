"""CreateContainer with images as volumes: what is mounted, what is undone, and what a kubelet is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from tests.fakes.containerd import FaultKind

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

VOLUME = "registry.test/volume:1"
MOUNT: dict[str, Any] = {"container_path": "/v", "readonly": True, "image": {"image": VOLUME}}


async def wanted(node: Node) -> dict[str, Any]:
    """Run a pod; return a request for a container in it that has an image mounted."""
    node.fake.add_image(VOLUME)
    pod_id, sandbox_config = await node.kubelet.run_pod()
    await node.until_idle()
    config = node.kubelet.container_config()
    config.mounts.append(cri.Mount(**MOUNT))
    return {"pod_sandbox_id": pod_id, "config": config, "sandbox_config": sandbox_config}


async def test_an_image_that_is_mounted(node: Node) -> None:
    """The container has a view of its own, which goes with it."""
    request = await wanted(node)
    before = node.there()
    id_ = (await node.client.CreateContainer(**request)).container_id
    views = [call.request for call in node.fake.called("Snapshots/View")]
    assert [id_ in str(view) for view in views].count(True) == 1
    assert len(node.kernel.mounts) == len(before["mounts"]) + 1
    await node.client.StartContainer(container_id=id_)
    await node.client.RemoveContainer(container_id=id_)
    assert not node.changed(before)


@pytest.mark.parametrize("method", ["Snapshots/View", "Containers/Create"])
async def test_a_step_that_fails(method: str, node: Node) -> None:
    """The view and its mount are undone, and the same request succeeds afterwards."""
    request = await wanted(node)
    before = node.there()
    node.fake.faults.add(method, FaultKind.UNKNOWN, text="the disk is on fire")
    _, text = await failure(node.client.CreateContainer(**request))
    assert "the disk is on fire" in text
    assert not node.changed(before)
    assert (await node.client.CreateContainer(**request)).container_id


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"container_path": ""}, "INVALID_ARGUMENT", "has no container_path"),
    ({"image": {"image": ""}}, "INVALID_ARGUMENT", "the mount at '/v' names no image"),
    ({"host_path": "/etc"}, "INVALID_ARGUMENT", "host_path must be empty, but it is '/etc'"),
    ({"readonly": False}, "INVALID_ARGUMENT", "readonly must be true"),
    ({"image_sub_path": "a/../b"}, "INVALID_ARGUMENT", "must not contain '..'"),
    ({"image_sub_path": "absent"}, "NOT_FOUND", "'absent' of image 'registry.test/volume:1' is not in the image"),
    ({"image": {"image": "registry.test/none:1"}}, "NOT_FOUND", "is not here; pull it first"),
    ({"uidMappings": [{"host_id": 1000, "length": 1}]}, "UNIMPLEMENTED", "cannot be mounted with mapped ids"),
]
"""What differs from a mount that can be made, code, words."""


async def test_what_is_refused(node: Node) -> None:
    """Nothing is left of a container whose mount contradicts itself or asks for what is not there."""
    request = await wanted(node)
    before = node.there()
    for fields, expected, words in REFUSED:
        del request["config"].mounts[:]
        request["config"].mounts.append(cri.Mount(**{**MOUNT, **fields}))
        code, text = await failure(node.client.CreateContainer(**request))
        assert (code.name, words in text) == (expected, True), text
        assert not node.changed(before)
