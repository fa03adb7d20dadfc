"""Status: say whether pods can run here.

Clients ask every few seconds, and get an answer even while containerd is away or silent.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.node.snapshotter_check import REASON as SNAPSHOTTER_NOT_READY
from cri_shim.rpc.status_info import status_info
from cri_shim.status_text import status_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.config import Config
    from cri_shim.node.handler_features import HandlerFeatures
    from cri_shim.service import Service

_RUNTIME_READY = "RuntimeReady"
_NETWORK_READY = "NetworkReady"
_CONTAINERD_NOT_READY = "ContainerdNotReady"


async def status(service: Service, request: cri.StatusRequest) -> cri.StatusResponse:
    """Return the conditions RuntimeReady and NetworkReady, and containerd's warnings.

    Each condition has a reason while it is false.
    """
    reason, missing, warnings = await _containerd(service)
    network = service.network.status()
    default = service.config.runtime_handler("").name
    conditions = [
        cri.RuntimeCondition(
            type=_RUNTIME_READY,
            status=not (reason or missing),
            reason=_CONTAINERD_NOT_READY if reason else SNAPSHOTTER_NOT_READY if missing else "",
            message=status_text(reason or missing),
        ),
        cri.RuntimeCondition(
            type=_NETWORK_READY,
            status=network.ready,
            reason="" if network.ready else network.reason,
            message="" if network.ready else status_text(network.message),
        ),
    ]
    return cri.StatusResponse(
        status=cri.RuntimeStatus(conditions=[*conditions, *warnings]),
        info=status_info(service) if request.verbose else {},
        runtime_handlers=_handlers(service.config, service.features),
        features=cri.RuntimeFeatures(
            supplemental_groups_policy=True,
            user_namespaces_host_network=service.features[default].user_namespaces_host_network,
        ),
    )


async def _containerd(service: Service) -> tuple[str, str, list[cri.RuntimeCondition]]:
    """Return why containerd is not ready, what it lacks, and its warnings; each is empty if there is nothing to say."""
    liveness, introspection = service.liveness, service.containerd.introspection
    if reason := service.readiness.reason or await liveness.silence():
        return reason, "", []
    called_at = perf_counter()
    missing = await service.snapshotters.reason(introspection, service.readiness.connects)
    if reason := await liveness.silence_since(called_at):
        return reason, missing, []
    called_at = perf_counter()
    warnings = await service.deprecations.conditions(introspection)
    return await liveness.silence_since(called_at), missing, warnings


def _handlers(config: Config, features: Mapping[str, HandlerFeatures]) -> list[cri.RuntimeHandler]:
    """Return every handler with its features.

    The default handler appears a second time, under the empty name that selects it.
    """
    named = {"": features[config.runtime_handler("").name], **features}
    return [
        cri.RuntimeHandler(
            name=name,
            features=cri.RuntimeHandlerFeatures(
                recursive_read_only_mounts=feature.recursive_read_only_mounts,
                user_namespaces=feature.user_namespaces,
            ),
        )
        for name, feature in sorted(named.items())
    ]
