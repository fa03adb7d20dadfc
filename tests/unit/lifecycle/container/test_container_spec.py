"""What a container's spec is made of: devices, volumes and the pid namespace that it joins."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.lifecycle.container import container_spec
from cri_shim.oci.devices import DeviceNode
from lab.cri_client import failure
from lab.pod_configs import TARGET, container_config, pod_config
from tests.fakes.service import until_idle
from tests.unit.waiting import until

if TYPE_CHECKING:
    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client

APP = "example.com/app:1"
"""An image with a volume."""


@pytest.fixture(autouse=True)
def _image(fake: FakeContainerd) -> None:
    """What is pulled before the service starts."""
    fake.add_image(APP, config={"Volumes": {"/data": {}}}, layers=[{"data/a": b"1", "etc/passwd": b"root:x:0:0::/:\n"}])


@pytest.fixture
def pods(service: Service, client: Client) -> Any:
    """Makes pods, and containers in them."""

    async def create(pod: Any, config: cri.ContainerConfig) -> str:
        created = await client.CreateContainer(pod_sandbox_id=pod.id, config=config, sandbox_config=pod.config)
        id_: str = created.container_id
        return id_

    async def run(**fields: Any) -> Any:
        config = pod_config(**fields)
        pod_id = (await client.RunPodSandbox(config=config)).pod_sandbox_id
        await until_idle(service)
        return SimpleNamespace(id=pod_id, config=config)

    return SimpleNamespace(run=run, create=create)


def spec_of(fake: FakeContainerd, id_: str) -> dict[str, Any]:
    """The runtime spec of a container's record."""
    spec: dict[str, Any] = json.loads(fake.state["k8s.io"].containers[id_].spec.value)
    return spec


@pytest.mark.parametrize(
    ("service", "there"),
    [
        ({}, True),
        ({"containerd": {"runtimes": {"runc": {"privileged_without_host_devices": True}}}}, False),
    ],
    ids=["all devices", "none"],
    indirect=["service"],
)
async def test_devices_of_the_node(
    fake: FakeContainerd, pods: Any, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    """A privileged container gets them unless its handler keeps them from it."""
    devices = (DeviceNode("/dev/own", "c", 9, 9, 0o600, 0, 0),)
    monkeypatch.setattr(container_spec, "read_host_devices", lambda: devices)
    pod = await pods.run(security={"privileged": True})
    id_ = await pods.create(pod, container_config(APP, security={"privileged": True}))
    paths = [device["path"] for device in spec_of(fake, id_)["linux"].get("devices", [])]
    assert ("/dev/own" in paths) is there


async def test_a_device_that_is_asked_for(fake: FakeContainerd, pods: Any) -> None:
    """It is there under the name that the container has for it."""
    pod = await pods.run()
    device = cri.Device(host_path="/dev/null", container_path="/dev/nothing", permissions="rw")
    id_ = await pods.create(pod, container_config(APP, devices=[device]))
    (granted,) = [one for one in spec_of(fake, id_)["linux"]["devices"] if one["path"] == "/dev/nothing"]
    assert (granted["major"], granted["minor"]) == (1, 3)


async def test_a_volume_of_the_image(fake: FakeContainerd, pods: Any, service: Service) -> None:
    """It is a directory of the container's own that is mounted at its place."""
    pod = await pods.run()
    id_ = await pods.create(pod, container_config(APP))
    (mount,) = [one for one in spec_of(fake, id_)["mounts"] if one["destination"] == "/data"]
    (directory,) = (service.paths.container_root(id_) / "volumes").iterdir()
    assert mount["source"] == str(directory)
    assert directory.is_dir()


async def test_the_pid_namespace_of_another_container(
    fake: FakeContainerd, client: Client, pods: Any, service: Service
) -> None:
    """It is joined while its process runs, and only by containers of the same pod."""
    pod, other = await pods.run(), await pods.run()
    target = await pods.create(pod, container_config(APP, "target"))
    joining = container_config(APP, "debug", pid=TARGET, target_id=target)
    code, text = await failure(pods.create(pod, joining))
    assert (code.name, "is not running" in text) == ("FAILED_PRECONDITION", True)
    await client.StartContainer(container_id=target)
    code, text = await failure(pods.create(other, joining))
    assert (code.name, f"is not in sandbox {other.id}" in text) == ("INVALID_ARGUMENT", True)
    id_ = await pods.create(pod, joining)
    (namespace,) = [one for one in spec_of(fake, id_)["linux"]["namespaces"] if one["type"] == "pid"]
    assert namespace["path"] == f"/proc/{fake.task(target).init.pid}/ns/pid"
    fake.exit_task(target, 0)
    await until(lambda: not service.containers.get(target).running)
    code, _ = await failure(pods.create(pod, container_config(APP, "late", pid=TARGET, target_id=target)))
    assert code.name == "FAILED_PRECONDITION"
    code, _ = await failure(pods.create(pod, container_config(APP, "none", pid=TARGET, target_id="none")))
    assert code.name == "NOT_FOUND"
    code, text = await failure(pods.create(pod, container_config(APP, "unnamed", pid=TARGET)))
    assert (code.name, "without a target_id" in text) == ("INVALID_ARGUMENT", True)
