"""A disk without room: what is begun is undone, with a sentence that names the file, and what ends goes on."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc import container_create, container_start, container_update
from lab.cri_client import failure

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.unit.fake_node import Node


def no_room(directory: Path, *_: object) -> None:
    """Fail as a write to a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory / "status"))


async def test_create(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the container is left, and with room it can be made."""
    pod_id, config = await node.kubelet.run_pod()
    await node.until_idle()
    before = node.there()
    request: dict[str, Any] = {"pod_sandbox_id": pod_id, "sandbox_config": config}
    request["config"] = node.kubelet.container_config()
    with monkeypatch.context() as full:
        full.setattr(container_create, "draft_status", no_room)
        code, text = await failure(node.client.CreateContainer(**request))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "/status: no space left on device" in text
    assert not node.changed(before)
    assert (await node.client.CreateContainer(**request)).container_id


async def test_update(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has changed, neither in the record nor for the process nor in the answers; with room it does."""
    id_ = await node.running()
    request: dict[str, Any] = {"container_id": id_, "linux": {"cpu_shares": 77}}
    before = node.fake.state["k8s.io"].containers[id_].spec, await node.client.ContainerStatus(container_id=id_)
    with monkeypatch.context() as full:
        full.setattr(container_update, "draft_status", no_room)
        code, text = await failure(node.client.UpdateContainerResources(**request))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "/status: no space left on device" in text
    assert not node.fake.called("Tasks/Update")
    after = node.fake.state["k8s.io"].containers[id_].spec, await node.client.ContainerStatus(container_id=id_)
    assert after == before
    await node.client.UpdateContainerResources(**request)
    status = (await node.client.ContainerStatus(container_id=id_)).status
    assert status.resources.linux.cpu_shares == 77


async def test_start(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is ended before it has begun, and the container can be removed from the full disk."""
    id_ = await node.kubelet.create(*await node.kubelet.run_pod())
    monkeypatch.setattr(container_start, "draft_status", no_room)
    code, text = await failure(node.client.StartContainer(container_id=id_))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert text.startswith(f"container {id_} cannot be started: ")
    assert "/status: no space left on device" in text
    assert await node.kubelet.states() == {id_: cri.CONTAINER_EXITED}
    assert id_ not in node.fake.state["k8s.io"].tasks
    assert len(node.fake.called("Tasks/Start")) == 1, "only the pause container was started"
    await node.client.RemoveContainer(container_id=id_)
