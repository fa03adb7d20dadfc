"""One pod under runc for the tests of a file."""

from __future__ import annotations

import subprocess

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.node_facts import NodeFacts
from tests.integration.oci.runc_pod import CGROUP, Pod, make_rootfs, remove_cgroups, wait_for_own_network


@pytest.fixture(scope="module")
def pod(tmp_path_factory):
    """A privileged pod with its own network namespace, hostname, sysctl and cgroup parent."""
    directory = tmp_path_factory.mktemp("pod")
    config = cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(name="pod", namespace="ns", uid="uid"),
        hostname="podhost",
        linux=cri.LinuxPodSandboxConfig(cgroup_parent=CGROUP, sysctls={"net.ipv4.ip_default_ttl": "77"}),
    )
    config.linux.security_context.privileged = True
    holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    made = Pod(directory, make_rootfs(directory / "rootfs"), NodeFacts.read(), config)
    try:
        wait_for_own_network(holder.pid)
        made.start_sandbox(f"/proc/{holder.pid}/ns/net")
        yield made
    finally:
        for name in reversed(made.ids):
            made.runc("delete", "--force", name, check=False)
        holder.kill()
        holder.wait()
        remove_cgroups(CGROUP)
