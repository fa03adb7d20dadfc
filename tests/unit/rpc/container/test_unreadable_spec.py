"""A runtime spec in containerd's record that cannot be used, because another program has written it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from structlog.testing import capture_logs

from lab.cri_client import failure

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from tests.unit.fake_node import Node

LINUX = {"cpu_shares": 7}

BROKEN = {
    "{": "not JSON",
    '{"process": {}, "linux": {"resources": {"unified": {"memory.high": 5}}}}': "unified.memory.high is a number",
    '{"process": {}, "linux": {"resources": {"cpu": {"quota": "5"}}}}': "linux.resources.cpu.quota is a string",
    '{"process": {}, "linux": {"resources": {"cpu": {"quota": 18446744073709551616}}}}': "quota is not between",
}


def write(node: Node, id_: str, spec: str) -> None:
    node.fake.state["k8s.io"].containers[id_].spec.value = spec.encode()
    node.service.process_specs.forget(id_)


@pytest.mark.parametrize("spec", BROKEN)
async def test_every_call_that_needs_it(node: Node, criu: Path, tmp_path: Path, spec: str) -> None:
    """Each names the container and what is wrong; none of them is a bug, and nothing was changed."""
    del criu
    pod, config, running = await node.kubelet.running_container()
    created = await node.kubelet.create(pod, config, attempt=1)
    for id_ in (running, created):
        write(node, id_, spec)
    calls: list[tuple[str, Coroutine[Any, Any, Any]]] = [
        (running, node.client.UpdateContainerResources(container_id=running, linux=LINUX)),
        (created, node.client.UpdateContainerResources(container_id=created, linux=LINUX)),
        (running, node.client.ExecSync(container_id=running, cmd=["true"])),
        (running, node.client.CheckpointContainer(container_id=running, location=str(tmp_path / "archive"))),
    ]
    with capture_logs() as logs:
        for id_, call in calls:
            code, text = await failure(call)
            assert code == grpc.StatusCode.FAILED_PRECONDITION
            assert f"runtime spec of container {id_} is not readable" in text
            assert BROKEN[spec] in text
        for id_ in (running, created):
            verbose = await node.client.ContainerStatus(container_id=id_, verbose=True)
            assert "is not readable" in json.loads(verbose.info["info"])["trouble"]
    assert "rpc.bug" not in {one["event"] for one in logs}
    assert node.fake.state["k8s.io"].containers[running].spec.value == spec.encode()


async def test_limits_that_lack_parts(node: Node) -> None:
    """Go reads them as zero, so an update does not mind them."""
    id_ = await node.running()
    limits = '[null, {"pageSize": "2MB"}, {"limit": 1}]'
    write(node, id_, f'{{"process": {{}}, "linux": {{"resources": {{"hugepageLimits": {limits}, "cpu": null}}}}}}')
    await node.client.UpdateContainerResources(container_id=id_, linux=LINUX)
    resources = (await node.client.ContainerStatus(container_id=id_)).status.resources.linux
    assert resources.cpu_shares == 7
    assert [(one.page_size, one.limit) for one in resources.hugepage_limits] == [("", 0), ("2MB", 0), ("", 1)]
