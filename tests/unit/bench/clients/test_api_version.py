"""Endpoints that speak other versions of the CRI, and what they are sent."""

from __future__ import annotations

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.clients.api_version import V1, V1ALPHA1, V1ALPHA2, VERSIONS
from cri_shim.bench.clients.client import CallError, Client
from cri_shim.bench.clients.grpc_caller import GrpcCaller
from cri_shim.bench.endpoint.node import Node, Samples
from cri_shim.bench.endpoint.pod import END, START, Pod
from cri_shim.bench.endpoint.pod_configs import Place
from tests.unit.bench.fake_runtime import IMAGE, FakeRuntime


def client_of(runtime: FakeRuntime) -> Client:
    return Client(runtime.endpoint, GrpcCaller(runtime.endpoint))


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
async def test_a_pod_lives_under_each_version(tmp_path, version):
    """The version is found without being named, and a whole life of a pod is driven with it."""
    async with FakeRuntime(tmp_path / "s", version.package) as runtime, client_of(runtime) as client:
        assert await client.version() is version
        pod = Pod.of(Node("fake", client, Place(IMAGE, tmp_path / "logs", "/parent")), "one")
        await pod.start(Samples())
        await pod.end(Samples())
        assert runtime.called[-7:] == [*START, *END]


async def test_an_endpoint_that_serves_no_cri_is_an_error(tmp_path):
    """It is named for what it is, not by a status of gRPC."""
    async with FakeRuntime(tmp_path / "s", "containerd.services") as other, client_of(other) as client:
        with pytest.raises(CallError, match="v1, v1alpha2, v1alpha1"):
            await client.version()


async def test_a_failing_endpoint_is_not_taken_for_an_old_one(tmp_path):
    """An error other than UNIMPLEMENTED is one."""
    failing = FakeRuntime(tmp_path / "s", status={"Version": grpc.StatusCode.INTERNAL})
    async with failing as runtime, client_of(runtime) as client:
        with pytest.raises(CallError, match="was to fail"):
            await client.version()


def sandbox(mode: cri.NamespaceMode.ValueType) -> bytes:
    config = cri.PodSandboxConfig(
        linux=cri.LinuxPodSandboxConfig(
            security_context=cri.LinuxSandboxSecurityContext(
                namespace_options=cri.NamespaceOption(network=mode, pid=cri.CONTAINER, ipc=mode),
                seccomp=cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault),
            )
        )
    )
    return cri.RunPodSandboxRequest(config=config).SerializeToString()


@pytest.mark.parametrize(("mode", "is_nodes"), [(cri.POD, 0), (cri.CONTAINER, 0), (cri.NODE, 1)])
def test_v1alpha1_says_which_namespaces_are_the_nodes(mode, is_nodes):
    """A private PID namespace, which is 1 in later versions, would mean the node's in this one."""
    sent = cri.RunPodSandboxRequest.FromString(V1ALPHA1.request("RunPodSandbox", sandbox(mode)))
    options = sent.config.linux.security_context.namespace_options
    assert (options.network, options.pid, options.ipc) == (is_nodes, 0, is_nodes)


@pytest.mark.parametrize("version", [V1ALPHA1, V1ALPHA2], ids=lambda version: version.name)
def test_old_versions_have_the_seccomp_profile_as_a_string_too(version):
    """As kubelets sent it that spoke them."""
    sent = cri.RunPodSandboxRequest.FromString(version.request("RunPodSandbox", sandbox(cri.POD)))
    assert sent.config.linux.security_context.seccomp_profile_path == "runtime/default"
    create = cri.CreateContainerRequest(sandbox_config=sent.config)
    create.config.linux.security_context.seccomp.profile_type = cri.SecurityProfile.RuntimeDefault
    create = cri.CreateContainerRequest.FromString(version.request("CreateContainer", create.SerializeToString()))
    assert create.config.linux.security_context.seccomp_profile_path == "runtime/default"


def test_v1_is_sent_as_it_is():
    """Not even parsed."""
    assert V1.request("RunPodSandbox", b"\xff") == b"\xff"
