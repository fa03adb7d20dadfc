"""What goes on in a pod when RunPodSandbox has answered: pause's start, and the network's way into the record.

Both are begun before the answer and end a few milliseconds after it, while the kubelet creates the first container
(docs/adr/0017). Whatever starts or ends a process in the pod waits for them. One that fails after the answer makes the
pod not ready, so the kubelet makes another; one that fails before fails the request, which undoes what it has made.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from containerd_client import ContainerdError
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from cri_shim.lifecycle.termination import discard_task
from cri_shim.store.exits import UNKNOWN_EXIT_CODE
from cri_shim.store.metadata import SANDBOX_EXTENSION, sandbox_extension
from cri_shim.timeline import stage

if TYPE_CHECKING:
    import asyncio

    from cri_shim.ops.rollback import Rollback
    from cri_shim.service import Service
    from cri_shim.store.sandboxes import Sandbox

_START: Final = "start-pause"
_RECORD: Final = "record-network"

log = structlog.get_logger(__name__)


async def pod_settled(service: Service, sandbox_id: str) -> None:
    """Return when nothing of that is in hand. A failure needs no telling: the pod is not ready then."""
    for what in (_START, _RECORD):
        await service.operations.settled(f"{what}/{sandbox_id}")


def fail_if_failed(*begun: asyncio.Task[None]) -> None:
    """Raise what one of them has raised already; the pod is not listed yet, and shall not be."""
    for task in begun:
        if task.done():
            task.result()


def begin_start(service: Service, sandbox_id: str) -> asyncio.Task[None]:
    """Begin the start of the pause container, whose task is there."""
    return service.operations.begin(f"{_START}/{sandbox_id}", lambda: _start(service, sandbox_id))


def begin_recording(service: Service, connected: Sandbox, undo: Rollback) -> asyncio.Task[None]:
    """Begin to write the pod's addresses into its record, which is there."""
    undo.push("let the record be written", lambda: pod_settled(service, connected.id))
    return service.operations.begin(f"{_RECORD}/{connected.id}", lambda: _record(service, connected))


async def _start(service: Service, sandbox_id: str) -> None:
    try:
        with stage("client.task.Start"):
            await service.containerd.tasks.start(sandbox_id)
    except ContainerdError as error:
        if sandbox_id in service.sandboxes:
            log.error("sandbox.start_failed", sandbox_id=sandbox_id, error=str(error))
            await _not_started(service, sandbox_id, str(error))
        raise
    service.sandboxes.update(sandbox_id, lambda sandbox: sandbox.but(starting=False))


async def _not_started(service: Service, sandbox_id: str, why: str) -> None:
    try:
        await discard_task(service, sandbox_id)
    except ContainerdError:
        # Nobody knows whether it runs: it stays listed as not ready, and its removal looks again.
        service.sandboxes.update(sandbox_id, lambda sandbox: sandbox.but(starting=False, trouble=why))
    else:
        service.sandboxes.update(sandbox_id, lambda sandbox: sandbox.but(starting=False))
        await service.exits.ended(sandbox_id, UNKNOWN_EXIT_CODE, time.time_ns())


async def _record(service: Service, connected: Sandbox) -> None:
    if connected.host_network:
        return  # it has no addresses of its own
    update = containers_pb2.Container(id=connected.id)
    update.extensions[SANDBOX_EXTENSION].CopyFrom(sandbox_extension(connected))
    try:
        await service.containerd.containers.update(update, f"extensions.{SANDBOX_EXTENSION}")
    except ContainerdError as error:
        if connected.id in service.sandboxes:
            log.error("sandbox.network_not_recorded", sandbox_id=connected.id, error=str(error))
            why = f"its addresses could not be recorded: {error}"
            service.sandboxes.update(connected.id, lambda sandbox: sandbox.but(trouble=why))
        raise
