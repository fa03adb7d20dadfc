"""CRI v1alpha2 with its own generated client, through a real pod's life: what v1 says, it says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass

from cri_shim.api.runtime.v1alpha2 import runtime_pb2 as old
from lab.cri_client import OPTIONS
from lab.log_file import read_log, text

PATIENCE = 60
# Measured anew by each request.
MEASURED = {"ContainerStats", "ListContainerStats", "PodSandboxStats", "ListPodSandboxStats", "ImageFsInfo"}


class Old:
    """A client made of v1alpha2's descriptors; remembers what was called."""

    def __init__(self, endpoint):
        self.channel = grpc.aio.insecure_channel(endpoint, options=OPTIONS)
        self.called: set[str] = set()
        self.methods = {
            method.name: (service.full_name, method)
            for service in old.DESCRIPTOR.services_by_name.values()
            for method in service.methods
        }

    async def __call__(self, name, **fields) -> Any:
        self.called.add(name)
        service, method = self.methods[name]
        request = GetMessageClass(method.input_type)
        call = self.channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        return await call(request(**fields), timeout=PATIENCE)


def known_to(descriptor, message):
    """A v1 message as a dict, with the fields that v1alpha2 has."""
    methods = {}
    for field, value in message.ListFields():
        twin = descriptor.fields_by_name.get(field.name)
        if twin is None:
            continue
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            methods[field.name] = dict(value) if field.message_type else list(value) if field.is_repeated else value
        elif field.is_repeated:
            methods[field.name] = [known_to(twin.message_type, one) for one in value]
        else:
            methods[field.name] = known_to(twin.message_type, value)
    return methods


@pytest_asyncio.fixture(loop_scope="session")
async def client(lab):
    """A v1alpha2 client of the daemon."""
    made = Old(lab.endpoint)
    yield made
    await made.channel.close()


async def test_all_rpcs_of_a_pods_life(lab, client):
    """All 29 RPCs work, and every answer has field by field what v1 answers."""

    async def same(name, **fields):
        """Ask both versions, and compare."""
        new, was = await getattr(lab.client, name)(**fields), await client(name, **fields)
        expected, got = known_to(was.DESCRIPTOR, new), known_to(was.DESCRIPTOR, was)
        if name in MEASURED:
            # The two answers may differ; what v1 said, read as v1alpha2, may not.
            got = known_to(was.DESCRIPTOR, type(was).FromString(new.SerializeToString()))
        assert got == expected, name
        assert got, f"{name} answered nothing"
        return was

    version = await client("Version", version="v1alpha2")
    assert MessageToDict(version) == MessageToDict(await lab.client.Version()) | {"runtimeApiVersion": "v1alpha2"}
    assert {condition.type for condition in (await same("Status")).status.conditions} >= {
        "RuntimeReady",
        "NetworkReady",
    }
    await client("UpdateRuntimeConfig", runtime_config={"network_config": {"pod_cidr": ""}})
    image = await client("PullImage", image={"image": lab.busybox})
    assert (await same("ImageStatus", image={"image": lab.busybox})).image.id == image.image_ref
    assert len((await same("ListImages")).images) >= 2
    assert (await same("ImageFsInfo")).image_filesystems

    logs = Path(lab.logs, "v1alpha2")
    logs.mkdir()
    described: dict[str, Any] = {
        "metadata": {"name": "old", "uid": "u-1", "namespace": "lab", "attempt": 3},
        "hostname": "old-host",
        "log_directory": str(logs),
        "dns_config": {"servers": ["192.0.2.1"]},
        "labels": {"app": "old"},
        "annotations": {"note": "from 1.19"},
        "linux": {"cgroup_parent": lab.cgroup_parent, "security_context": {"seccomp_profile_path": "unconfined"}},
    }
    config = old.PodSandboxConfig(**described)
    pod_id = (await client("RunPodSandbox", config=config)).pod_sandbox_id
    pod = (await same("PodSandboxStatus", pod_sandbox_id=pod_id)).status
    assert (pod.metadata, pod.labels, pod.state) == (config.metadata, config.labels, old.SANDBOX_READY)
    assert pod.network.ip
    assert [one.id for one in (await same("ListPodSandbox", filter={"label_selector": {"app": "old"}})).items] == [
        pod_id
    ]

    described = {
        "metadata": {"name": "main"},
        "image": {"image": lab.busybox},
        "command": ["sh", "-c"],
        "args": ["echo $WORD from $(hostname); trap 'exit 4' TERM; while :; do sleep 3600 & wait $!; done"],
        "envs": [{"key": "WORD", "value": "grüße"}],
        "labels": {"c": "1"},
        "log_path": "main.log",
        "linux": {"resources": {"memory_limit_in_bytes": 64 << 20}},
    }
    id_ = (await client("CreateContainer", pod_sandbox_id=pod_id, config=described, sandbox_config=config)).container_id
    await client("StartContainer", container_id=id_)
    assert (await same("ContainerStatus", container_id=id_)).status.state == old.CONTAINER_RUNNING
    assert [one.id for one in (await same("ListContainers", filter={"pod_sandbox_id": pod_id})).containers] == [id_]
    async with asyncio.timeout(PATIENCE):
        while "grüße from old-host" not in text(read_log(logs / "main.log")):
            await asyncio.sleep(0.05)

    await client("UpdateContainerResources", container_id=id_, linux={"memory_limit_in_bytes": 80 << 20})
    limits = (await lab.client.ContainerStatus(container_id=id_)).status.resources.linux
    assert limits.memory_limit_in_bytes == 80 << 20
    done = await same("ExecSync", container_id=id_, cmd=["sh", "-c", "echo out; echo err >&2; exit 5"], timeout=30)
    assert (done.stdout, done.stderr, done.exit_code) == (b"out\n", b"err\n", 5)
    for name, fields in (
        ("Exec", {"container_id": id_, "cmd": ["true"], "stdout": True}),
        ("Attach", {"container_id": id_, "stdout": True}),
        ("PortForward", {"pod_sandbox_id": pod_id}),
    ):
        assert (await client(name, **fields)).url.startswith("http://")
    (logs / "main.log").rename(logs / "main.log.1")
    await client("ReopenContainerLog", container_id=id_)
    assert (logs / "main.log").exists()

    assert (await same("ContainerStats", container_id=id_)).stats.attributes.labels == {"c": "1"}
    (of_container,) = (await same("ListContainerStats")).stats
    assert of_container.memory.working_set_bytes.value > 0
    assert of_container.cpu.usage_core_nano_seconds.value > 0
    assert (await same("PodSandboxStats", pod_sandbox_id=pod_id)).stats.linux.network.default_interface.name == "eth0"
    assert len((await same("ListPodSandboxStats")).stats) == 1

    await client("StopContainer", container_id=id_, timeout=30)
    ended = (await same("ContainerStatus", container_id=id_)).status
    assert (ended.state, ended.exit_code, ended.reason) == (old.CONTAINER_EXITED, 4, "Error")
    await client("RemoveContainer", container_id=id_)
    await client("StopPodSandbox", pod_sandbox_id=pod_id)
    assert (await same("PodSandboxStatus", pod_sandbox_id=pod_id)).status.state == old.SANDBOX_NOTREADY
    await client("RemovePodSandbox", pod_sandbox_id=pod_id)
    assert not (await client("ListPodSandbox")).items
    await client("RemoveImage", image={"image": "no.such/image:1"})
    assert client.called == set(client.methods)
    assert len(client.called) == 29


async def test_errors_and_what_it_never_had(lab, client):
    """An error has the code and text of v1; an RPC that came later is not served under the old name."""
    with pytest.raises(grpc.aio.AioRpcError) as was:
        await client("ContainerStatus", container_id="nobody")
    with pytest.raises(grpc.aio.AioRpcError) as new:
        await lab.client.ContainerStatus(container_id="nobody")
    assert (was.value.code(), was.value.details()) == (new.value.code(), new.value.details())
    for name in ("RuntimeConfig", "GetContainerEvents", "StreamContainers"):
        call = client.channel.unary_unary(f"/runtime.v1alpha2.RuntimeService/{name}")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await call(b"", timeout=PATIENCE)
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
