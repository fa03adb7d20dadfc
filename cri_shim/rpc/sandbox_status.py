"""PodSandboxStatus: return a pod's status from memory; the verbose form asks containerd for the record.

The response includes the statuses of the pod's containers, and the moment at which all of it was true. A kubelet that
follows GetContainerEvents orders by that moment, and takes both or none.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from containerd_client import ContainerdError, call_options
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import CriError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.protocol import is_namespace_file
from cri_shim.rpc import container_status
from cri_shim.state.stored.go_json import to_go_json
from cri_shim.state.stored.metadata import sandbox_extension
from cri_shim.state.stored.runtime import shown_runtime_options
from cri_shim.state.stored.spec import read_spec
from cri_shim.sync.lost_namespaces import poll

if TYPE_CHECKING:
    from containerd_client import Containerd
    from cri_shim.kernel import Kernel
    from cri_shim.service import Service
    from cri_shim.state.sandboxes import Sandbox


async def pod_sandbox_status(service: Service, request: cri.PodSandboxStatusRequest) -> cri.PodSandboxStatusResponse:
    """Return the status of one pod; raises NotFoundError for an unknown id, which the kubelet reads as "gone"."""
    sandbox = poll(service.kernel, service.sandboxes, service.sandboxes.get(request.pod_sandbox_id))
    # Newest first, because a kubelet with evented PLEG takes the first container of a name for its latest attempt.
    members = sorted(
        (one for one in service.containers if one.sandbox_id == sandbox.id),
        key=lambda one: one.status.created_at,
        reverse=True,
    )
    response = cri.PodSandboxStatusResponse(
        status=status_of(sandbox),
        containers_statuses=[container_status.member_status(service.images, one) for one in members],
        timestamp=time.time_ns(),
    )
    if request.verbose:
        response.info["info"] = json.dumps(await _info(service.containerd, service.kernel, sandbox))
    return response


def status_of(sandbox: Sandbox) -> cri.PodSandboxStatus:
    """Return the CRI status of ``sandbox``.

    It has addresses only while the pod's network is up, and never those of the node.
    """
    ips = () if sandbox.host_network or sandbox.network_down or sandbox.netns_gone else sandbox.ips
    return cri.PodSandboxStatus(
        id=sandbox.id,
        metadata=sandbox.config.metadata,
        state=sandbox.state,
        created_at=sandbox.created_at,
        network=cri.PodSandboxNetworkStatus(
            ip=ips[0] if ips else "", additional_ips=[cri.PodIP(ip=ip) for ip in ips[1:]]
        ),
        linux=cri.LinuxPodSandboxStatus(
            namespaces=cri.Namespace(options=sandbox.config.linux.security_context.namespace_options)
        ),
        labels=sandbox.config.labels,
        annotations=sandbox.config.annotations,
        runtime_handler=sandbox.runtime_handler,
    )


async def _namespace_closed(kernel: Kernel, sandbox: Sandbox) -> bool:
    """Return whether the file of the pod's network namespace is gone; false for a pod on the node's network."""
    if not sandbox.netns_path:
        return False
    return not await run(FS, is_namespace_file, kernel, sandbox.netns_path)


async def _info(containerd: Containerd, kernel: Kernel, sandbox: Sandbox) -> dict[str, Any]:
    """Return what the in-process plugin reports, under the same names, because troubleshooting tools read it."""
    info: dict[str, Any] = {
        "pid": sandbox.pid,
        "processStatus": "running" if sandbox.ready else "unknown" if sandbox.unknown_reason else "deleted",
        "infra": "pause" if sandbox.pinned is None else "pinned",
        "netNamespaceClosed": await _namespace_closed(kernel, sandbox),
        "runtimeHandler": sandbox.runtime_handler,
        "config": to_go_json(sandbox.config),
        "cniResult": sandbox.cni_result,
        "sandboxMetadata": json.loads(sandbox_extension(sandbox).value),
        "trouble": sandbox.unknown_reason,
        "notReadyReason": "" if sandbox.ready else sandbox.unready_reason,
    }
    try:
        with call_options(timeout=container_status.RECORD_SECONDS):
            record = await containerd.containers.get(sandbox.id)
        info |= {
            "image": record.image,
            "snapshotKey": record.snapshot_key,
            "snapshotter": record.snapshotter,
            "runtimeType": record.runtime.name,
            "runtimeOptions": shown_runtime_options(record),
            "runtimeSpec": read_spec(record),
        }
    except (ContainerdError, CriError) as error:  # the rest of the answer comes from memory
        info["trouble"] = sandbox.unknown_reason or str(error)
    return info
