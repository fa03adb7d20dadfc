"""The scenario of image pulls, against a runtime that removes images by their ids alone."""

from __future__ import annotations

import pytest

from cri_shim.bench.clients.client import Client
from cri_shim.bench.clients.grpc_caller import GrpcCaller
from cri_shim.bench.endpoint.node import Node, Samples
from cri_shim.bench.endpoint.pod_configs import Place
from cri_shim.bench.scenarios.pull import Pull
from tests.unit.bench.fake_runtime import IMAGE


@pytest.fixture
async def node(runtime, tmp_path):
    async with Client(runtime.endpoint, GrpcCaller(runtime.endpoint)) as client:
        yield Node("fake", client, Place(IMAGE, tmp_path / "logs", "/parent"))


async def test_an_image_is_removed_as_a_kubelet_removes_it(runtime, node):
    """Each turn pulls an image that is not there."""
    samples = Samples()
    pull = Pull("registry.test/big:1")
    await pull.run(node, samples)
    await pull.run(node, samples)
    assert [rpc for rpc in runtime.called if rpc in {"PullImage", "RemoveImage"}] == ["RemoveImage", "PullImage"] * 2
    assert len(samples.values["PullImage"]) == 2
    await pull.clean(node)
    assert not runtime.has_image


async def test_what_is_not_there_is_not_removed(runtime, node):
    """An interrupted run may have removed it."""
    runtime.has_image = False
    await Pull("registry.test/big:1").clean(node)
    assert "RemoveImage" not in runtime.called
