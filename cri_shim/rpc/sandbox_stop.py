"""StopPodSandbox: end everything in a pod and give its address back.

Idempotent: stopping an unknown pod succeeds. Killing the processes and tearing down the network happen at the same
time, for a few pods at once while the cores are busy (docs/adr/0018). A CNI DEL that fails is reported to the kubelet,
which asks again. CRI: "StopPodSandbox stops any running process that is part of the sandbox and reclaims network
resources".
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.overlap import every
from cri_shim.disk.pod_directories import unmount_shm
from cri_shim.kernel.executors import MOUNT, run
from cri_shim.lifecycle.container.hanging_start import until_started
from cri_shim.lifecycle.hanging_runtime import hanging_ended
from cri_shim.lifecycle.lost_file import give_file_back
from cri_shim.lifecycle.removal_errors import removal_of
from cri_shim.lifecycle.sandbox.background_start import wait_or_end_background_start
from cri_shim.lifecycle.sandbox.pinned_pod import unpin
from cri_shim.lifecycle.sandbox.pod_network import tear_down_network
from cri_shim.lifecycle.termination import kill_and_wait, record_if_ended

if TYPE_CHECKING:
    from cri_shim.service import Service
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox


async def stop_pod_sandbox(service: Service, request: cri.StopPodSandboxRequest) -> cri.StopPodSandboxResponse:
    """Stop a pod; a stopped or unknown pod is success. Raises the errors of CNI or containerd."""
    sandbox = service.sandboxes.find(request.pod_sandbox_id)
    if sandbox is not None:
        id_ = sandbox.id
        await service.operations.run(f"stop/{id_}", lambda: stop(service, id_))
    return cri.StopPodSandboxResponse()


async def stop(service: Service, sandbox_id: str) -> None:
    """Stop the pod with the full id ``sandbox_id``, whatever its state."""
    await wait_or_end_background_start(service, sandbox_id)
    sandbox = service.sandboxes.exact(sandbox_id)
    if sandbox is None:
        return
    async with nullcontext() if _has_ended(service.containers, sandbox) else service.pod_stops.slot():
        await give_file_back(service.kernel, service.containers, sandbox)
        await every(
            _end(service, sandbox), tear_down_network(service.kernel, service.sandboxes, service.network, sandbox)
        )
    with removal_of(f"shared memory of sandbox {sandbox.id}"):
        await run(MOUNT, unmount_shm, service.kernel, service.paths, sandbox.id)


def _has_ended(containers: Index[Container], sandbox: Sandbox) -> bool:
    """Return whether nothing that needs the cores is left to do, so that a removal after a stop need not queue."""
    network_ended = sandbox.network_down or not sandbox.netns_path
    return (
        bool(sandbox.exited_at)
        and not sandbox.unknown_reason
        and network_ended
        and not _to_be_ended(containers, sandbox)
    )


def _to_be_ended(containers: Index[Container], sandbox: Sandbox) -> list[str]:
    return [
        container.id
        for container in containers
        if container.sandbox_id == sandbox.id and (container.running or container.unknown_reason)
    ]


async def _end(service: Service, sandbox: Sandbox) -> None:
    async with hanging_ended(service.config, service.sandboxes, service.containers, sandbox.id):
        await _end_processes(service, sandbox)


async def _end_processes(service: Service, sandbox: Sandbox) -> None:
    # While a runtime hangs at one container, the shim does not serve calls about any other container of the pod.
    starting = [each for each in service.containers if each.sandbox_id == sandbox.id and each.starting]
    await every(*(until_started(service, container) for container in starting))
    ending = [
        kill_and_wait(service.containerd, service.containers, service.exits, service.signal_directly, id_)
        for id_ in _to_be_ended(service.containers, sandbox)
    ]
    if sandbox.pinned is None:
        await every(*ending, _end_pause(service, sandbox))
    else:
        await every(*ending)
        await unpin(service.kernel, service.paths, service.sandboxes, sandbox)


async def _end_pause(service: Service, sandbox: Sandbox) -> None:
    if sandbox.exited_at:
        return
    if sandbox.unknown_reason:
        # It is unknown whether the process runs; check first, so that an absent task is not waited for.
        await record_if_ended(service.containerd, service.exits, sandbox.id)
    await kill_and_wait(service.containerd, service.containers, service.exits, service.signal_directly, sandbox.id)
