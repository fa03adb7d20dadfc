"""RuntimeConfig: say which cgroup driver the kubelet must use; a kubelet of 1.36 prefers this to its own setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from cri_shim.service import Service


async def runtime_config(service: Service, _request: cri.RuntimeConfigRequest) -> cri.RuntimeConfigResponse:
    """Return the cgroup driver that the default handler's OCI runtime really uses (containerd issues 4857, 7276)."""
    systemd = service.config.runtime_handler("").options.systemd_cgroup
    driver = cri.SYSTEMD if systemd else cri.CGROUPFS
    return cri.RuntimeConfigResponse(linux=cri.LinuxRuntimeConfiguration(cgroup_driver=driver))
