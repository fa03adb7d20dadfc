"""Status: whether pods can be run here, also while containerd is away."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.fakes.containerd import FaultKind
from tests.unit.waiting import until

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri
    from tests.unit.fake_node import Node

VM = {"containerd": {"runtimes": {"vm": {"runtime_type": "io.containerd.kata.v2", "snapshotter": "devmapper"}}}}


def conditions(answer: cri.StatusResponse) -> dict[str, cri.RuntimeCondition]:
    """Return the conditions by type."""
    return {each.type: each for each in answer.status.conditions}


async def test_a_node_that_is_ready(node: Node) -> None:
    """Both conditions hold, and the default handler is listed under its name and under none."""
    answer = await node.client.Status()
    assert all(each.status for each in answer.status.conditions)
    assert {"RuntimeReady", "NetworkReady"} <= set(conditions(answer))
    assert [each.name for each in answer.runtime_handlers] == ["", "runc"]
    assert all(each.features.recursive_read_only_mounts for each in answer.runtime_handlers)
    assert answer.features.supplemental_groups_policy
    assert not answer.info


async def test_containerd_that_is_away(node: Node) -> None:
    """The answer comes all the same, and says what is missing."""
    node.fake.faults.add("*", FaultKind.GONE)
    await node.fake.go_away()
    await until(lambda: not node.service.readiness.ready)
    ready = conditions(await node.client.Status())["RuntimeReady"]
    assert (ready.status, ready.reason) == (False, "ContainerdNotReady")
    assert ready.message


@pytest.mark.parametrize("service", [VM], indirect=True)
async def test_a_snapshotter_that_is_missing(node: Node) -> None:
    """No pod of that handler can be made, and the condition names the snapshotter."""
    ready = conditions(await node.client.Status())["RuntimeReady"]
    assert (ready.status, ready.reason) == (False, "SnapshotterNotReady")
    assert "devmapper" in ready.message


async def test_a_network_that_is_missing(node: Node) -> None:
    """The condition names the directory where a configuration is expected."""
    (node.cni.conf_dir / "10-fake.conflist").unlink()
    await until(lambda: not node.service.network.status().ready)
    answer = await node.client.Status(verbose=True)
    network = conditions(answer)["NetworkReady"]
    assert (network.status, network.reason) == (False, "NetworkPluginNotReady")
    assert str(node.cni.conf_dir) in network.message
    assert answer.info["lastCNILoadStatus"] == network.message


async def test_the_verbose_form(node: Node) -> None:
    """Its configuration is ours, with the keys that tools look for; it counts what there is."""
    await node.running()
    info = (await node.client.Status(verbose=True)).info
    config = json.loads(info["config"])
    assert config["containerdEndpoint"] == config["containerd"]["address"] == node.fake.address
    assert json.loads(info["counts"]) == {"sandboxes": 1, "containers": 1, "operations": 0}
    (network,) = json.loads(info["cniconfig"])["Networks"]
    assert (network["Config"]["Name"], network["IFName"]) == ("fake", "eth0")
    assert json.loads(info["python"])["event_loop"]
    assert info["lastCNILoadStatus"] == "OK"
