"""What is asked once by a client: Version, RuntimeConfig, UpdateRuntimeConfig and ListMetricDescriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import cri_shim
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.version import version_v1alpha2
from tests.fakes.cni import FakeCni
from tests.fakes.cri import Client
from tests.fakes.service import make_service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.kernel import RecordingKernel
    from tests.unit.fake_node import Node

SYSTEMD = {"containerd": {"runtimes": {"runc": {"options": {"SystemdCgroup": True}}}}}
TEMPLATE = """{"cniVersion": "1.0.0", "name": "made", "plugins": [{"type": "fake", "subnet": "{{.PodCIDR}}"}]}"""
CIDR = {"network_config": {"pod_cidr": "10.1.0.0/24"}}


async def test_the_version(node: Node) -> None:
    """No field is empty, because a kubelet refuses a runtime that leaves one out."""
    answer = await node.client.Version()
    assert (answer.version, answer.runtime_name, answer.runtime_api_version) == ("0.1.0", "cri-shim", "v1")
    assert answer.runtime_version == cri_shim.__version__


async def test_the_version_in_v1alpha2(node: Node) -> None:
    """It is the one answer that names the version of the API in which it was asked."""
    answer = await version_v1alpha2(node.service, cri.VersionRequest())
    assert (answer.version, answer.runtime_api_version) == ("0.1.0", "v1alpha2")


@pytest.mark.parametrize(
    ("service", "driver"),
    [({}, cri.CGROUPFS), (SYSTEMD, cri.SYSTEMD)],
    ids=["cgroupfs", "systemd"],
    indirect=["service"],
)
async def test_the_cgroup_driver(driver: cri.CgroupDriver.ValueType, node: Node) -> None:
    """A kubelet uses what the default handler's runtime is told."""
    assert (await node.client.RuntimeConfig()).linux.cgroup_driver == driver


async def test_a_pod_cidr_and_no_template(node: Node) -> None:
    """Nothing is made of it, and an update that does not name one is fine."""
    before = sorted(path.name for path in node.cni.conf_dir.iterdir())
    await node.client.UpdateRuntimeConfig()
    await node.client.UpdateRuntimeConfig(runtime_config=CIDR)
    assert sorted(path.name for path in node.cni.conf_dir.iterdir()) == before


async def test_a_pod_cidr_and_a_template(fake: FakeContainerd, kernel: RecordingKernel, tmp_path: Path) -> None:
    """The network is made of the template, and the node is ready for pods."""
    cni = FakeCni(tmp_path / "cni")
    (cni.conf_dir / "10-fake.conflist").unlink()
    template = tmp_path / "template"
    template.write_text(TEMPLATE)
    async with make_service(fake, kernel, tmp_path, cni={"conf_template": str(template)}) as service:
        client = Client(service)
        assert not service.network.status().ready
        await client.UpdateRuntimeConfig(runtime_config=CIDR)
        (made,) = cni.conf_dir.iterdir()
        assert '"10.1.0.0/24"' in made.read_text()
        assert service.network.status().networks == ("made",)


async def test_metric_descriptors(node: Node) -> None:
    """Each has a name, a meaning and the labels of what it describes."""
    descriptors = (await node.client.ListMetricDescriptors()).descriptors
    names = [each.name for each in descriptors]
    assert len(names) == len(set(names)) > 20
    assert all(each.help and each.label_keys for each in descriptors)
