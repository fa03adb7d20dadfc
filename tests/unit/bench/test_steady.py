"""The imitation of a kubelet on a quiet node, against a runtime that runs nothing."""

from __future__ import annotations

from collections import Counter

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.clients.client import CallError, Client
from cri_shim.bench.clients.grpc_caller import GrpcCaller
from cri_shim.bench.endpoint.node import Node, Samples
from cri_shim.bench.endpoint.pod_configs import NAMESPACE, Place
from cri_shim.bench.scenarios.scenario import WrongWorkError
from cri_shim.bench.scenarios.steady import Steady
from tests.unit.bench.fake_runtime import IMAGE

WINDOW = 2.0
"""Long enough for the first beat of each kind."""


@pytest.fixture
async def node(runtime, tmp_path):
    async with Client(runtime.endpoint, GrpcCaller(runtime.endpoint)) as client:
        yield Node("fake", client, Place(IMAGE, tmp_path / "logs", "/parent"))


def add_container(runtime, id_: str, state: cri.ContainerState.ValueType, namespace: str = NAMESPACE) -> None:
    pod = f"pod of {id_}"
    runtime.pods[pod] = cri.PodSandbox(id=pod, metadata=cri.PodSandboxMetadata(namespace=namespace))
    runtime.containers[id_] = cri.Container(id=id_, pod_sandbox_id=pod, state=state)


async def test_the_calls_of_a_window_are_a_kubelets(runtime, node):
    """As a kubelet 1.36.2 made them, with the status of each running container for the rotation of logs."""
    add_container(runtime, "one", cri.CONTAINER_RUNNING)
    add_container(runtime, "two", cri.CONTAINER_RUNNING)
    add_container(runtime, "ended", cri.CONTAINER_EXITED)
    steady = Steady(2, window=WINDOW)
    await steady.prepare(node)
    runtime.seen.clear()
    samples = Samples()
    await steady.run(node, samples)
    assert Counter(runtime.called) == {
        "ListPodSandbox": 4,
        "ListContainers": 5,
        "ContainerStatus": 2,
        "Status": 1,
        "ListContainerStats": 1,
        "ImageFsInfo": 1,
        "Version": 1,
    }
    assert {request.container_id for rpc, request in runtime.seen if rpc == "ContainerStatus"} == {"one", "two"}
    assert len(samples.values["ContainerStatus"]) == 2
    filters = [
        request.filter.HasField("state") for rpc, request in runtime.seen if rpc in {"ListPodSandbox", "ListContainers"}
    ]
    assert filters.count(True) == 2, "housekeeping asks for what runs"


async def test_containers_of_others_are_not_asked_for(runtime, node):
    """Otherwise a side that has pods of others would answer more requests than the sides without."""
    add_container(runtime, "own", cri.CONTAINER_RUNNING)
    add_container(runtime, "other", cri.CONTAINER_RUNNING, "kube-system")
    steady = Steady(1, window=WINDOW)
    await steady.prepare(node)
    await steady.warm(node)
    assert [request.container_id for rpc, request in runtime.seen if rpc == "ContainerStatus"] == ["own"]


async def test_a_side_whose_idle_pods_do_not_run_is_refused(runtime, node):
    """It would have less to answer."""
    add_container(runtime, "one", cri.CONTAINER_RUNNING)
    add_container(runtime, "ended", cri.CONTAINER_EXITED)
    with pytest.raises(WrongWorkError, match="fake runs 1 containers for 2 idle pods"):
        await Steady(2, window=WINDOW).prepare(node)


async def test_a_side_that_fails_for_one_container_is_found_out_before_it_is_measured(runtime, node):
    """A failure while it is warmed up leaves this side out; one in a run ends the whole comparison."""
    add_container(runtime, "one", cri.CONTAINER_RUNNING)
    steady = Steady(1, window=WINDOW)
    await steady.prepare(node)
    runtime.status["ContainerStatus"] = grpc.StatusCode.INTERNAL
    with pytest.raises(CallError, match="ContainerStatus was to fail"):
        await steady.warm(node)


def test_what_it_does_is_said_and_kept_with_the_result():
    """A result of another rhythm is no result of the same step."""
    steady = Steady(105)
    assert "log rotation: ListContainers + ContainerStatus of each container every 10 s" in steady.about
    assert "log rotation" in str(steady.options["rhythm"])
