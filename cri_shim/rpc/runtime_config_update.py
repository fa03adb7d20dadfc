"""UpdateRuntimeConfig: take the node's pod CIDR from the kubelet; a CNI configuration may be made from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from cri_shim.service import Service


async def update_runtime_config(
    service: Service, request: cri.UpdateRuntimeConfigRequest
) -> cri.UpdateRuntimeConfigResponse:
    """Render ``cni.conf_template`` if it is set and no network is configured yet."""
    cidr = request.runtime_config.network_config.pod_cidr
    if cidr:
        await service.network.set_pod_cidr(cidr)
    return cri.UpdateRuntimeConfigResponse()
