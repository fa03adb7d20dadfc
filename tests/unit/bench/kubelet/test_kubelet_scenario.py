"""The order of things around a kubelet, and what happens when something fails; a stand-in takes its place.

A real kubelet is tried by tests/integration/bench/test_kubelet.py.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.clients.client import Client
from cri_shim.bench.clients.grpc_caller import GrpcCaller
from cri_shim.bench.endpoint.node import Node, Samples
from cri_shim.bench.endpoint.pod_configs import Place
from cri_shim.bench.kubelet import cgroup_root
from cri_shim.bench.kubelet.node_state import NodeState
from cri_shim.bench.scenarios import WrongWorkError, kubelet_steady
from cri_shim.bench.scenarios.kubelet_steady import KubeletSteady
from tests.unit.bench.fake_runtime import IMAGE, FakeRuntime
from tests.unit.bench.kubelet import stand_in

PODS = 2


@dataclass
class Surroundings:
    """What is done to the node, in order, instead of to this machine."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What cannot be removed."""


@pytest.fixture
def short():
    """A directory whose path leaves room for the names of sockets."""
    with tempfile.TemporaryDirectory(prefix="k-") as directory:
        yield directory


@pytest.fixture
def node_of_the_test(monkeypatch, tmp_path, short):
    """Cgroups and kernel settings are only noted."""
    noted = Surroundings()
    (tmp_path / "proc").mkdir()
    monkeypatch.setattr(cgroup_root, "make", lambda parent: noted.done.append(f"make {parent}"))

    def remove(parent: str) -> list[str]:
        noted.done.append(f"remove {parent}")
        return noted.left

    monkeypatch.setattr(cgroup_root, "remove", remove)

    class Noted(NodeState):
        @classmethod
        def read(cls, top: Path = tmp_path) -> NodeState:
            noted.done.append("remember the node")
            return super().read(top)

        def restore(self) -> list[str]:
            noted.done.append("restore the node")
            return super().restore()

    monkeypatch.setattr(kubelet_steady, "NodeState", Noted)
    monkeypatch.setattr(kubelet_steady, "_POLL", 0.02)
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    return noted


@pytest.fixture
def program(tmp_path):
    """The stand-in as a program."""
    path = tmp_path / "kubelet"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {stand_in.__file__} "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
async def two(tmp_path):
    """Two sides."""
    async with FakeRuntime(tmp_path / "a.sock") as a, FakeRuntime(tmp_path / "b.sock") as b:
        yield a, b


@pytest.fixture
def sides_of_a_faulty_one(two, tmp_path, program, node_of_the_test, monkeypatch):
    """A function that returns the scenario with a kubelet that has a fault, a side, and what is done to the node."""

    async def make(fault: str):
        monkeypatch.setenv("FAULT", fault)
        if fault == "idle":
            monkeypatch.setattr(kubelet_steady, "_PATIENCE", 0.5)
        return scenario(program), await node_of(two[0], "a", tmp_path), node_of_the_test

    return make


async def node_of(runtime: FakeRuntime, name: str, directory: Path) -> Node:
    client = Client(runtime.endpoint, GrpcCaller(runtime.endpoint))
    return Node(name, client, Place(IMAGE, directory / name / "logs", f"/{name}"), api="v1")


def scenario(program: Path) -> KubeletSteady:
    return KubeletSteady(program, PODS, window=0.05, before_run=0.05)


async def test_a_run_is_between_the_start_and_the_end_of_a_kubelet(two, tmp_path, program, node_of_the_test):
    """Its pods are there before and go on after; at the end nothing is left, and the node is as it was."""
    a, b = two
    steady = scenario(program)
    nodes = [await node_of(a, "a", tmp_path), await node_of(b, "b", tmp_path)]
    for node in nodes:
        await steady.prepare(node)
        assert node.beside == ()
    assert len(a.pods) == len(b.pods) == PODS
    ids = set(a.containers)
    for node in nodes:
        await steady.before(node)
        (kubelet,) = node.beside
        assert (kubelet.name, kubelet.version) == ("kubelet", "Kubernetes v0.0.0-stand-in")
        assert Path(f"/proc/{kubelet.pid}").exists()
        await steady.run(node, Samples())
        await steady.after(node)
        assert node.beside == ()
        assert not Path(f"/proc/{kubelet.pid}").exists()
    assert set(a.containers) == ids
    for node in reversed(nodes):
        await steady.clean(node)
        await node.client.__aexit__()
    assert not a.pods
    assert not b.pods
    assert not list(Path(tempfile.gettempdir()).glob("cri-kubelet-*"))
    assert node_of_the_test.done == [
        *("remember the node", "make /a", "make /b"),
        *("remove /b", "remove /a", "restore the node"),
    ]


async def test_a_side_with_pods_of_its_own_is_refused(two, tmp_path, program, node_of_the_test):
    """A kubelet would end them."""
    a, _ = two
    a.pods["x"] = cri.PodSandbox(id="x", metadata=cri.PodSandboxMetadata(name="theirs", namespace="default"))
    steady, node = scenario(program), await node_of(a, "a", tmp_path)
    with pytest.raises(WrongWorkError, match="a has 1 pods already"):
        await steady.prepare(node)
    await steady.clean(node)
    await node.client.__aexit__()
    assert list(a.pods) == ["x"]
    assert node_of_the_test.done == []


async def test_an_old_api_is_refused(two, tmp_path, program, node_of_the_test):
    """The runtime of 2018, which no kubelet of today can talk to."""
    node = await node_of(two[0], "a", tmp_path)
    node.api = "v1alpha1"
    with pytest.raises(WrongWorkError, match="speaks CRI v1, and a serves v1alpha1"):
        await scenario(program).prepare(node)
    await node.client.__aexit__()
    assert node_of_the_test.done == []


@pytest.mark.parametrize(
    ("fault", "reason"), [("ends", "the kubelet ended with 1: E0101 it was to end"), ("idle", "0 of 2 pods")]
)
async def test_a_kubelet_that_runs_no_pods_leaves_nothing(tmp_path, sides_of_a_faulty_one, fault, reason):
    """The reason has the end of its log; its process, directory and cgroup are gone at once."""
    steady, node, node_of_the_test = await sides_of_a_faulty_one(fault)
    with pytest.raises(WrongWorkError, match=reason):
        await steady.prepare(node)
    assert node.beside == ()
    assert node_of_the_test.done[-2:] == ["remove /a", "restore the node"]
    assert not list(Path(tempfile.gettempdir()).glob("cri-kubelet-*"))
    await steady.clean(node)
    await node.client.__aexit__()


async def test_a_kubelet_that_ends_in_the_run_is_no_result(two, tmp_path, program, node_of_the_test):
    """Nor is one whose containers ended."""
    a, _ = two
    steady, node = scenario(program), await node_of(a, "a", tmp_path)
    await steady.prepare(node)
    await steady.before(node)
    del a.containers[next(iter(a.containers))]
    with pytest.raises(WrongWorkError, match="containers of a were restarted or ended"):
        await steady.run(node, Samples())
    await steady.after(node)
    await steady.clean(node)
    await node.client.__aexit__()
    assert node_of_the_test.done[-1] == "restore the node"


async def test_what_is_left_is_said(two, tmp_path, program, node_of_the_test):
    """And the directory stays, in which something may be mounted."""
    steady, node = scenario(program), await node_of(two[0], "a", tmp_path)
    await steady.prepare(node)
    node_of_the_test.left = ["the cgroup /a is still in use"]
    with pytest.raises(WrongWorkError, match="something of the kubelet on a is left: the cgroup /a is still in use"):
        await steady.clean(node)
    assert list(Path(tempfile.gettempdir()).glob("cri-kubelet-*"))
    await node.client.__aexit__()


async def test_a_cancelled_preparation_is_cleaned_by_its_caller(two, tmp_path, program, node_of_the_test, monkeypatch):
    """As the runner does: the kubelet that was being waited for ends."""
    monkeypatch.setenv("FAULT", "idle")
    steady, node = scenario(program), await node_of(two[0], "a", tmp_path)
    preparing = asyncio.create_task(steady.prepare(node))
    while not node.beside:
        await asyncio.sleep(0.01)
    pid = node.beside[0].pid
    preparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await preparing
    await steady.clean(node)
    await node.client.__aexit__()
    assert not Path(f"/proc/{pid}").exists()
    assert node_of_the_test.done[-1] == "restore the node"


async def test_a_runtime_that_is_gone_is_no_wrong_work(tmp_path, program, node_of_the_test):
    """It is an error of its own, which ends the comparison."""
    async with FakeRuntime(tmp_path / "a.sock", status={"ListPodSandbox": grpc.StatusCode.UNAVAILABLE}) as gone:
        node = await node_of(gone, "a", tmp_path)
        with pytest.raises(Exception, match="UNAVAILABLE"):
            await scenario(program).prepare(node)
        await node.client.__aexit__()


def test_a_program_that_does_not_run_is_refused_before_anything_is_set_up(tmp_path):
    """With the flag that named it."""
    with pytest.raises(ValueError, match=r"--kubelet .*none: No such file"):
        scenario(tmp_path / "none")
