"""v1alpha2 is served whole, and without its generated code."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as v1
from cri_shim.api.runtime.v1alpha2 import runtime_pb2 as v1alpha2
from cri_shim.ledger.packed import unpacked
from cri_shim.ledger.record_json import summary
from cri_shim.server.v1alpha2 import V1ALPHA2, v1alpha2_name
from cri_shim.telemetry.counts import Counts
from tests.fakes.cri import Client
from tests.unit.crash_matrix.kubelet import Kubelet

if TYPE_CHECKING:
    from tests.unit.fake_node import Node


def methods(module):
    return {
        f"{service.full_name}/{method.name}"
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def test_every_rpc_of_it_and_no_other():
    """The table holds exactly the 29 RPCs of v1alpha2, under its services' names."""
    served = {
        f"{v1alpha2_name(service.full_name)}/{method.name}"
        for service in v1.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.name in V1ALPHA2
    }
    assert served == methods(v1alpha2)
    assert len(V1ALPHA2) == 29


def test_both_versions_are_the_same_on_the_wire():
    """Every field of v1alpha2 has in v1 the same number and kind; only environment values are bytes now."""
    other_kind = []
    for name, message in v1alpha2.DESCRIPTOR.message_types_by_name.items():
        new = v1.DESCRIPTOR.message_types_by_name[name].fields_by_number
        for field in message.fields:
            twin = new[field.number]
            assert (twin.name, twin.is_repeated) == (field.name, field.is_repeated)
            if twin.type != field.type:
                other_kind.append(f"{name}.{field.name}")
    assert other_kind == ["KeyValue.value"]
    for name, enum in v1alpha2.DESCRIPTOR.enum_types_by_name.items():
        new_numbers = {value.name: value.number for value in v1.DESCRIPTOR.enum_types_by_name[name].values}
        assert {value.name: value.number for value in enum.values}.items() <= new_numbers.items()


def test_its_generated_code_is_not_loaded():
    """The daemon's modules, all of them, do without it: it would only cost memory."""
    code = "import sys, cri_shim.daemon.daemon; sys.exit('cri_shim.api.runtime.v1alpha2.runtime_pb2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def a_life(node: Node, api: str) -> list[dict[str, Any]]:
    """Have a pod come and go; return the records of its requests, without ids, times and what is measured."""
    ledger = node.service.ledger
    client = Client(node.service, api=api)
    before = ledger.count
    pod_id, _, container_id = await Kubelet(client, node.kubelet.image, node.directory / api).running_container()
    await client.ListContainers()
    await client.ContainerStatus(container_id=container_id[:9])
    await client.ExecSync(container_id=container_id, cmd=["true"])
    await client.StopContainer(container_id=container_id)
    await client.RemoveContainer(container_id=container_id)
    await client.StopPodSandbox(pod_sandbox_id=pod_id)
    await client.RemovePodSandbox(pod_sandbox_id=pod_id)
    with pytest.raises(grpc.aio.AioRpcError):
        await client.StartContainer(container_id=container_id)
    ledger.catch_up()
    records = [summary(unpacked(one)) for one in ledger.newest() if one.id > before]
    return [
        {
            "method": one["method"],
            "api": one["api"],
            "code": one["code"],
            "subject": sorted(one["subject"]),
            "pod": one["pod"] and [one["pod"]["id"] == pod_id, bool(one["pod"]["name"])],
            "container": one["container"] and [one["container"]["id"] == container_id, one["container"]["name"]],
        }
        for one in records
    ]


async def test_requests_are_recorded_and_named_as_in_v1(node: Node):
    """What a kubelet of 1.25 sends has the same methods, subjects and names in the ledger; only its version differs."""
    counts = Counts()
    node.service.ledger.listen(counts)
    new, old = await a_life(node, "v1"), await a_life(node, "v1alpha2")
    assert [one["method"] for one in old][:3] == ["RunPodSandbox", "CreateContainer", "StartContainer"]
    assert {one.pop("api") for one in new} == {"v1"}
    assert {one.pop("api") for one in old} == {"v1alpha2"}
    assert old == new
    assert {api for method, api, _ in counts.requests if method == "RunPodSandbox"} == {"v1", "v1alpha2"}
