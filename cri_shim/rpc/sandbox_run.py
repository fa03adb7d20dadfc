"""RunPodSandbox: make a pod and start it.

Order: reserve the name · make the pod by :mod:`cri_shim.lifecycle.sandbox.pause_pod` or, if it needs no process, by
:mod:`cri_shim.lifecycle.sandbox.pinned_pod` · put it into the state. Both overlap steps that the in-process plugin does
one after another, as far as the steps do not depend on each other.

A retry with the same name and the same configuration gets the same pod: while the pod is being made the retry waits for
it, and afterwards it gets the pod's id (docs/adr/0003). Differences from the plugin: the record is written before the
network is set up, and no lease is taken (docs/adr/0002).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.rollback import Rollback
from cri_shim.errors import InvalidArgumentError
from cri_shim.lifecycle.container.id_mapping import id_map_of, require_user_namespaces
from cri_shim.lifecycle.handlers import is_plain_runc
from cri_shim.lifecycle.records import new_id
from cri_shim.lifecycle.sandbox.pause_pod import make_with_pause
from cri_shim.lifecycle.sandbox.pinned_pod import make_pinned, may_be_pinned
from cri_shim.oci.pod_checks import check_pod
from cri_shim.oci.untrusted_workload import check_untrusted, handler_name
from cri_shim.state.names import sandbox_name
from cri_shim.state.sandboxes import Sandbox
from cri_shim.timeline import stage

if TYPE_CHECKING:
    from typing import Any

    from cri_shim.service import Service
    from cri_shim.state.index import Index
    from cri_shim.state.names import Names

log = structlog.get_logger(__name__)


async def run_pod_sandbox(service: Service, request: cri.RunPodSandboxRequest) -> cri.RunPodSandboxResponse:
    """Make and start a pod; the answer comes when its network is up and something holds its namespaces.

    Raises InvalidArgumentError for a request that cannot be carried out, AlreadyExistsError when the name belongs to a
    pod with another configuration, and the errors of CNI or containerd.
    """
    metadata = request.config.metadata
    if not metadata.name or not metadata.namespace or not metadata.uid:
        raise InvalidArgumentError("pod sandbox config needs metadata with name, namespace and uid")
    check_pod(request.config)
    check_untrusted(request.runtime_handler, request.config)
    name = sandbox_name(metadata)

    async def work() -> str:
        about = {"sandbox.name": name, "runtime.handler": request.runtime_handler}
        with stage("cri.sandbox.run", about) as running:
            sandbox = await _run(service, request, name)
            running.set_attributes(_attributes(sandbox))
            return sandbox.id

    sandbox_id = await service.operations.run(f"run/{name}", work)
    return cri.RunPodSandboxResponse(pod_sandbox_id=sandbox_id)


def _attributes(sandbox: Sandbox) -> dict[str, str]:
    """Return a running pod's attributes for its trace, under the names that the in-process plugin uses."""
    attributes = {"sandbox.id": sandbox.id, "sandbox.pid": str(sandbox.pid), "netns.path": sandbox.netns_path}
    if sandbox.ips:
        attributes |= {"sandbox.ip": sandbox.ips[0], "sandbox.additional_ips.count": str(len(sandbox.ips) - 1)}
    return attributes


async def _run(service: Service, request: cri.RunPodSandboxRequest, name: str) -> Sandbox:
    finished = _made_before(service.sandboxes, service.sandbox_names, request, name)
    if finished is not None:
        log.info("sandbox.found_again", sandbox_id=finished.id, name=name)
        return finished
    handler = service.config.runtime_handler(handler_name(request.runtime_handler, request.config.annotations))
    process_label = service.selinux.of_pod(request.config.linux.security_context.selinux_options)
    # Valid until the record gives the time; a pod that fails and cannot be undone is listed, too, and needs a time.
    now = time.time_ns()
    sandbox = Sandbox(
        id=new_id(),
        name=name,
        config=request.config,
        created_at=now,
        runtime_handler=request.runtime_handler,
        plain_runc=is_plain_runc(handler),
    )
    require_user_namespaces(service.features, handler, id_map_of(sandbox), host_network=sandbox.host_network)
    if not sandbox.host_network:
        sandbox = sandbox.replace(netns_path=str(service.paths.new_netns()))
    sandbox = sandbox.replace(process_label=process_label)
    service.sandbox_names.reserve(name, sandbox.id)
    async with Rollback(
        f"sandbox {sandbox.id}", on_incomplete=lambda why: service.sandboxes.put(sandbox.replace(unknown_reason=why))
    ) as undo:
        undo.push("release the name", _release_name(service.sandbox_names, sandbox.id))
        make = make_pinned if may_be_pinned(service.config, sandbox, handler) else make_with_pause
        async with service.pod_starts.slot():
            sandbox = await make(service, sandbox, handler, undo)
    service.sandboxes.put(sandbox)
    await service.exits.claim_early(sandbox.id)
    return sandbox


def _made_before(
    sandboxes: Index[Sandbox], sandbox_names: Names, request: cri.RunPodSandboxRequest, name: str
) -> Sandbox | None:
    """Return the pod that an earlier, equal request made, in case the client lost the answer."""
    holder = sandbox_names.holder(name)
    sandbox = None if holder is None else sandboxes.find(holder)
    if sandbox is None or not sandbox.ready:
        return None
    same = sandbox.config == request.config and sandbox.runtime_handler == request.runtime_handler
    return sandbox if same else None


def _release_name(sandbox_names: Names, sandbox_id: str) -> Any:
    async def release() -> None:
        sandbox_names.release(sandbox_id)

    return release
