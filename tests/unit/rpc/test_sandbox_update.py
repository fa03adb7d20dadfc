"""New resources of a pod go into its configuration, where they are set."""

from __future__ import annotations

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.sandbox_update import updated_config


def test_what_is_set_replaces_and_the_rest_stays():
    """``resources`` replaces the old ones as a whole, an absent ``overhead`` changes nothing, the old value is kept."""
    config = cri.PodSandboxConfig(hostname="h")
    config.linux.overhead.cpu_shares = 2
    config.linux.resources.cpu_shares = 3
    config.linux.resources.memory_limit_in_bytes = 4
    before = cri.PodSandboxConfig.FromString(config.SerializeToString())
    request = cri.UpdatePodSandboxResourcesRequest(resources=cri.LinuxContainerResources(cpu_quota=5))
    changed = updated_config(config, request)
    assert changed.linux.resources == cri.LinuxContainerResources(cpu_quota=5)
    assert changed.linux.overhead.cpu_shares == 2
    assert changed.hostname == "h"
    assert config == before
