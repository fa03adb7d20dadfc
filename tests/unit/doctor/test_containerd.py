"""From no socket at all to a containerd of any version: each state has a code of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket

import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any

from containerd_client import Containerd
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.services.introspection.v1 import introspection_pb2 as pb
from cri_shim.doctor.checks.containerd import judge_plugins, judge_socket, judge_version, version_of
from cri_shim.doctor.containerd_answers import ask
from cri_shim.doctor.facts import containerd_socket
from cri_shim.doctor.facts.containerd_socket import SocketState, connect
from cri_shim.doctor.facts.place import Place
from cri_shim.state.stored.metadata import SANDBOX_EXTENSION
from tests.fakes.containerd.faults import FaultKind
from tests.fakes.containerd.server import FakeContainerd
from tests.unit.doctor.node_tree import config_of, findings, reported

PLACE = Place()


def config_at(path, more=""):
    return config_of(f'[containerd]\naddress = "{path}"\n{more}')


async def reported_at(path):
    answers = await ask(config_at(path), PLACE)
    return reported(judge_socket(answers.socket, str(path), PLACE))


async def test_a_missing_socket(tmp_path):
    assert await reported_at(tmp_path / "c.sock") == {"containerd-socket-missing": "error"}


async def test_a_file_that_is_no_socket(tmp_path):
    (tmp_path / "c.sock").write_text("")
    assert await reported_at(tmp_path / "c.sock") == {"containerd-socket-missing": "error"}


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
async def test_a_socket_of_another_kind(tmp_path, kind):
    with contextlib.closing(socket.socket(socket.AF_UNIX, kind)) as server:
        server.bind(str(tmp_path / "c.sock"))
        assert await reported_at(tmp_path / "c.sock") == {"not-containerd": "error"}


async def test_a_link_that_leads_to_itself(tmp_path):
    (tmp_path / "c.sock").symlink_to("c.sock")
    assert await reported_at(tmp_path / "c.sock") == {"containerd-socket-missing": "error"}


async def test_a_socket_that_a_dead_containerd_left(tmp_path):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(tmp_path / "c.sock"))
    assert await reported_at(tmp_path / "c.sock") == {"containerd-not-listening": "error"}


async def test_a_containerd_that_accepts_and_says_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(containerd_socket, "PATIENCE", 0.2)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(tmp_path / "c.sock"))
        server.listen()
        assert await reported_at(tmp_path / "c.sock") == {"containerd-silent": "error"}


def test_a_containerd_whose_queue_is_full(tmp_path):
    path = tmp_path / "c.sock"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
        server.bind(str(path))
        server.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(str(path))
        assert connect(path, 0.2).kind == "hangs"
    assert reported(judge_socket(SocketState("hangs"), "/c.sock", PLACE)) == {"containerd-silent": "error"}


async def test_another_program_on_the_socket(tmp_path):
    async def greet(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_unix_server(greet, tmp_path / "c.sock")
    try:
        assert await reported_at(tmp_path / "c.sock") == {"not-containerd": "error"}
    finally:
        server.close()


async def test_another_grpc_server_on_the_socket(tmp_path):
    server = grpc.aio.server()
    server.add_insecure_port(f"unix:{tmp_path}/c.sock")
    await server.start()
    try:
        assert await reported_at(tmp_path / "c.sock") == {"not-containerd": "error"}
    finally:
        await server.stop(0)


def test_a_socket_that_may_not_be_opened():
    forbidden = SocketState("forbidden")
    assert reported(judge_socket(forbidden, "/c", PLACE)) == {"containerd-socket-forbidden": "error"}
    assert reported(judge_socket(forbidden, "/c", Place(uid=1))) == {"containerd-socket-forbidden": "unknown"}


async def test_a_containerd_that_answers_is_asked_everything(tmp_path):
    async with FakeContainerd(tmp_path / "c.sock", version="2.1.9") as fake:
        answers = await ask(config_at(fake.address), PLACE)
    assert (answers.socket.kind, answers.socket.version, answers.socket.pid) == ("containerd", "2.1.9", os.getpid())
    assert answers.has_sandbox_image is False
    assert answers.ids == frozenset()
    assert reported(judge_socket(answers.socket, "/c", PLACE)) == {}
    assert answers.plugins is not None
    assert reported(judge_plugins(answers.plugins, config_of(), PLACE)) == {}


def pod(id_, metadata):
    stored = json.dumps({"Version": "v1", "Metadata": metadata}).encode()
    extension = Any(type_url="github.com/containerd/cri/pkg/store/sandbox/Metadata", value=stored)
    runtime = containers_pb2.Container.Runtime(name="io.containerd.runc.v2")
    return containers_pb2.Container(id=id_, runtime=runtime, spec=Any(), extensions={SANDBOX_EXTENSION: extension})


async def test_network_namespaces_are_read_from_the_records_of_pods(tmp_path):
    """A record that cannot be read leaves it unknown which namespaces are in use."""
    async with FakeContainerd(tmp_path / "c.sock") as fake:
        config = config_at(fake.address)
        async with Containerd(fake.address, namespace=config.containerd.namespace) as client:
            good = {"ID": "a", "Name": "n", "Config": {"metadata": {"name": "p"}}, "NetNSPath": "/run/netns/x"}
            await client.containers.create(pod("a", good))
            assert (await ask(config, PLACE)).netns_paths == frozenset({"/run/netns/x"})
            await client.containers.create(pod("b", {"NetNSPath": 7}))
            answers = await ask(config, PLACE)
    assert (answers.ids, answers.netns_paths) == (frozenset({"a", "b"}), None)


@pytest.mark.parametrize("method", ["Introspection/Plugins", "Images/Get", "Containers/List"])
async def test_a_containerd_that_fails_after_its_version_leaves_the_rest_unknown(tmp_path, method):
    async with FakeContainerd(tmp_path / "c.sock", version="1.6.20") as fake:
        fake.faults.add(method, FaultKind.UNKNOWN, times=None)
        if method == "Containers/List":
            fake.faults.add("Containers/ListStream", FaultKind.UNKNOWN, times=None)
        answers = await ask(config_at(fake.address), PLACE)
    assert answers.is_containerd
    assert (answers.plugins, answers.has_sandbox_image, answers.ids) == (None, None, None)
    assert "containerd answers with an error" in answers.reason


@pytest.mark.parametrize(
    ("version", "numbers", "code"),
    [
        ("1.6.20~ds1", (1, 6), {}),
        ("v2.1.9", (2, 1), {}),
        ("1.10.0", (1, 10), {}),
        ("1.5.18", (1, 5), {"containerd-too-old": "error"}),
        ("v0.9", (0, 9), {"containerd-too-old": "error"}),
        ("(devel)", None, {"containerd-too-old": "unknown"}),
    ],
)
def test_versions(version, numbers, code):
    assert version_of(version) == numbers
    assert reported(judge_version(version)) == code


def plugin(type_, id_, failed=""):
    made = pb.Plugin(type=type_, id=id_)
    if failed:
        made.init_err.message = failed
    return made


OVERLAYFS = plugin("io.containerd.snapshotter.v1", "overlayfs")
CRI = plugin("io.containerd.grpc.v1", "cri")


def test_the_cri_plugin_on_our_namespace():
    outcomes = list(judge_plugins([OVERLAYFS, CRI], config_of(), PLACE))
    assert reported(outcomes) == {"containerd-cri-plugin-on": "error"}
    assert any('"io.containerd.cri.v1.runtime"' in line for line in findings(outcomes)[0].remedy)


@pytest.mark.parametrize(
    "plugins",
    [
        [OVERLAYFS],
        [OVERLAYFS, plugin("io.containerd.grpc.v1", "cri", "no network")],
        [OVERLAYFS, plugin("io.containerd.cri.v1", "runtime"), plugin("io.containerd.cri.v1", "images")],
    ],
)
def test_a_cri_plugin_that_serves_no_pods_is_fine(plugins):
    assert reported(judge_plugins(plugins, config_of(), PLACE)) == {}


def test_the_cri_plugin_beside_another_namespace_is_fine():
    assert reported(judge_plugins([OVERLAYFS, CRI], config_of('[containerd]\nnamespace = "mine"\n'), PLACE)) == {}


def test_a_missing_snapshotter():
    outcomes = list(
        judge_plugins([plugin("io.containerd.snapshotter.v1", "overlayfs", "bad\nkernel")], config_of(), PLACE)
    )
    assert reported(outcomes) == {"snapshotter-missing": "error"}
    assert "bad\\nkernel" in findings(outcomes)[0].what
