"""Work on a pod that may outlast RunPodSandbox: the start of pause, and recording the network.

Both begin before the answer and end a few milliseconds after it, while the kubelet creates the first container
(docs/adr/0017). Everything that starts or ends a process in the pod waits for them. If one fails after the answer, the
pod becomes not ready, so the kubelet makes another; a containerd that is only restarted meanwhile is waited for
(:mod:`cri_shim.lifecycle.sandbox.through_restart`). If one fails before, the request fails, and undoes what it has
made.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Final

import structlog

from containerd_client import ContainerdError, DeadlineExceeded, call_options
from cri_shim.errors import UnavailableError
from cri_shim.lifecycle.handlers import is_plain_runc
from cri_shim.lifecycle.hanging_runtime import STOP_PATIENCE, end_hanging_runtimes
from cri_shim.lifecycle.sandbox.through_restart import (
    is_away,
    not_recorded,
    record_network,
    record_when_back,
    start_through_restart,
)
from cri_shim.lifecycle.termination import discard_task
from cri_shim.sync.exits import UNKNOWN_EXIT_CODE
from cri_shim.timeline import stage
from untrusted import shorten

if TYPE_CHECKING:
    from cri_shim.concurrency.rollback import Rollback
    from cri_shim.config import RuntimeHandler
    from cri_shim.service import Service
    from cri_shim.state.sandboxes import Sandbox

START_SECONDS: Final = 60.0
"""How long the start of a pause container may take in the background; after that the shim ends the runtime."""
_ENDED_SECONDS: Final = 30.0
"""How long a stop then waits for the start to fail and to be undone."""
AWAY_PATIENCE: Final = 2.0
"""How long a request waits for the work before it asks whether containerd is there, as long as a call is retried."""

_LONGEST_WORDS: Final = 1024
"""Characters of a runtime's message about a failed start."""

_START: Final = "start-pause"
_RECORD: Final = "record-network"

log = structlog.get_logger(__name__)


async def wait_background_start(service: Service, sandbox_id: str) -> None:
    """Wait until no background work on the pod is left.

    A failure is not raised, because the pod is not ready then. Raises UnavailableError while the work waits for a
    containerd that is away or silent.
    """
    for what in (_START, _RECORD):
        await _wait_idle(service, what, sandbox_id)


async def wait_or_end_background_start(service: Service, sandbox_id: str) -> None:
    """Do the same before the pod is ended: a start that hangs for :data:`STOP_PATIENCE` is ended."""
    if not await _wait_idle(service, _START, sandbox_id, seconds=STOP_PATIENCE):
        log.warning("sandbox.start_hangs", sandbox_id=sandbox_id, waited_seconds=STOP_PATIENCE)
        await end_hanging_runtimes(service.config, service.sandboxes, service.containers, sandbox_id)
        await _wait_idle(service, _START, sandbox_id, seconds=_ENDED_SECONDS)
    await _wait_idle(service, _RECORD, sandbox_id, seconds=_ENDED_SECONDS)


async def _wait_idle(service: Service, what: str, sandbox_id: str, *, seconds: float = math.inf) -> bool:
    """Wait until the work is over, and return False if it is not after ``seconds``.

    The work itself is carried through a restart of containerd, which may take a minute. A request that waits for it is
    refused meanwhile as soon as any other request that needs containerd.
    """
    left = seconds
    while not await service.operations.wait_idle(f"{what}/{sandbox_id}", seconds=min(left, AWAY_PATIENCE)):
        if reason := service.readiness.reason or await service.liveness.silence():
            raise UnavailableError(f"sandbox {sandbox_id} is still being started: {reason}")
        left -= AWAY_PATIENCE
        if left <= 0:
            return False
    return True


def fail_if_failed(*begun: asyncio.Task[None]) -> None:
    """Raise the error that one of the tasks has already raised, because the pod is not listed yet and must not be."""
    for task in begun:
        if task.done():
            task.result()


async def begin_start(service: Service, sandbox: Sandbox, handler: RuntimeHandler) -> asyncio.Task[None]:
    """Begin the start of the pause container, whose task exists.

    A runtime that may refuse is waited for, and its error fails the request: a ContainerdError is raised then.
    """
    surely = is_plain_runc(handler)
    start = service.operations.begin(
        f"{_START}/{sandbox.id}", lambda: _start(service, sandbox, seconds=START_SECONDS if surely else None)
    )
    if not surely:
        await asyncio.wait([start])
        start.result()
    return start


def begin_recording(service: Service, connected: Sandbox, undo: Rollback) -> asyncio.Task[None]:
    """Begin to write the pod's addresses into its record, which exists."""
    undo.push("finish writing the record", lambda: wait_or_end_background_start(service, connected.id))
    return service.operations.begin(f"{_RECORD}/{connected.id}", lambda: _record(service, connected))


async def _start(service: Service, sandbox: Sandbox, *, seconds: float | None) -> None:
    try:
        with stage("client.task.Start"), call_options(timeout=seconds):
            await start_through_restart(
                service.containerd, sandbox.id, answered=lambda: sandbox.id in service.sandboxes
            )
    except ContainerdError as error:
        if isinstance(error, DeadlineExceeded):
            await end_hanging_runtimes(
                service.config, service.sandboxes, service.containers, sandbox.id, sandbox.runtime_handler
            )
        if sandbox.id in service.sandboxes:
            why = shorten(str(error), _LONGEST_WORDS)
            # Set before the task is gone, so that a container that is requested meanwhile fails with these words.
            service.sandboxes.update(sandbox.id, lambda current: current.replace(start_error=why))
            log.error("sandbox.start_failed", sandbox_id=sandbox.id, error=str(error))
            await _not_started(service, sandbox, why)
        raise
    service.sandboxes.update(sandbox.id, lambda current: current.replace(starting=False))


async def _not_started(service: Service, started: Sandbox, why: str) -> None:
    try:
        await discard_task(service.config, service.containerd, started, started.id)
    except (ContainerdError, OSError) as error:
        # It is unknown whether it runs: the pod stays listed as not ready, and its removal checks again.
        unknown_reason = f"its start failed and could not be undone: {why}; {error}"
        service.sandboxes.update(
            started.id, lambda sandbox: sandbox.replace(starting=False, unknown_reason=unknown_reason)
        )
    else:
        service.sandboxes.update(started.id, lambda sandbox: sandbox.replace(starting=False))
        await service.exits.ended(started.id, UNKNOWN_EXIT_CODE, time.time_ns())


async def _record(service: Service, connected: Sandbox) -> None:
    if connected.host_network:
        return  # it has no addresses of its own
    try:
        await record_network(service.containerd, connected)
    except ContainerdError as error:
        if connected.id not in service.sandboxes:
            raise
        if is_away(error):
            record_when_back(service, connected.id, error)
        else:
            not_recorded(service.sandboxes, connected.id, error)
            raise
