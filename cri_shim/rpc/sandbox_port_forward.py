"""PortForward: return a URL at which a client can open connections to ports of a pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.lifecycle.running import require_ready
from cri_shim.streaming.port_forward import ForwardRequest, Pod

if TYPE_CHECKING:
    from cri_shim.service import Service


async def port_forward(service: Service, request: cri.PortForwardRequest) -> cri.PortForwardResponse:
    """Return the URL of one port-forward; over SPDY the client names the ports itself, one connection after another.

    Raises InvalidArgumentError for an invalid port, FailedPreconditionError when the pod is not ready, and
    ResourceExhaustedError when too many URLs wait for their clients.
    """
    if wrong := [port for port in request.port if not 0 < port < 65536]:
        raise InvalidArgumentError(f"port {wrong[0]} is not between 1 and 65535")
    sandbox = service.sandboxes.get(request.pod_sandbox_id)
    require_ready(sandbox, "its ports cannot be forwarded")
    pod = Pod(sandbox.id, "" if sandbox.host_network else sandbox.netns_path, service.kernel)
    url = await service.streaming.url("portforward", ForwardRequest(pod, tuple(request.port)))
    return cri.PortForwardResponse(url=url)
