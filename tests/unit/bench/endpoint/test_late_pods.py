"""Pods that a runtime goes on starting after the comparison was interrupted."""

from __future__ import annotations

import asyncio

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench import client_share, command
from cri_shim.bench.endpoint.node import Node, Samples
from cri_shim.bench.endpoint.pod import Pod
from cri_shim.bench.endpoint.pod_configs import NAMESPACE, Place
from tests.unit.bench.fake_runtime import IMAGE, FakeRuntime


@pytest.fixture
async def runtime(tmp_path):
    """A runtime that has no pods."""
    async with FakeRuntime(tmp_path / "s") as fake:
        yield fake


async def test_pods_that_come_late_are_removed(runtime, tmp_path, monkeypatch):
    """cri-dockerd goes on with a pod whose client has given up, and lists it seconds later."""
    monkeypatch.setattr(command, "_REMOVE_AGAIN", (0.2, 0.2))
    node = Node("fake", await client_share.open_client(runtime.endpoint), Place(IMAGE, tmp_path / "logs", "/parent"))
    pod = cri.PodSandbox(id="late", metadata=cri.PodSandboxMetadata(namespace=NAMESPACE), state=cri.SANDBOX_READY)

    async def call(*_: object) -> bytes:
        asyncio.get_running_loop().call_later(0.3, lambda: runtime.pods.update(late=pod))
        return await asyncio.Future()

    monkeypatch.setattr(Node, "call", call)
    with pytest.raises(TimeoutError):
        async with command._own_pods(node), asyncio.timeout(0.05):
            await Pod.of(node, "late").start(Samples())
    assert "RemovePodSandbox" in runtime.called
    assert not runtime.pods
    await node.client.__aexit__()
