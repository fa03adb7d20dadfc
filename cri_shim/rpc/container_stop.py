"""StopContainer: ask a container to end, and kill it if it has not ended within the grace period.

Idempotent: stopping an unknown or ended container succeeds. The stop signal is sent once in a container's life, and
later calls with a grace period only wait. A client that hangs up stops the waiting, but not the container's ending.
(CRI: "StopContainer stops a running container with a grace period (i.e., timeout)".)
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import structlog

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.lifecycle.container.hanging_start import until_started
from cri_shim.lifecycle.hanging_runtime import hanging_ended
from cri_shim.lifecycle.termination import kill_and_wait, record_if_ended, send_signal, wait_ended
from cri_shim.oci.stop_signal import signal_number

if TYPE_CHECKING:
    from cri_shim.service import Service
    from cri_shim.state.containers import Container

log = structlog.get_logger(__name__)


async def stop_container(service: Service, request: cri.StopContainerRequest) -> cri.StopContainerResponse:
    """Stop a container within ``timeout`` seconds or by force; an unknown id is success."""
    container = service.containers.find(request.container_id)
    if container is not None:
        await stop(service, container.id, grace=request.timeout)
    return cri.StopContainerResponse()


async def stop(service: Service, id_: str, *, grace: float) -> None:
    """Stop the container with the full id ``id_``; return when its exit is recorded."""
    container = service.containers.exact(id_)
    if container is not None:
        async with hanging_ended(service.config, service.sandboxes, service.containers, container.sandbox_id):
            await _stop(service, container, grace)


async def _stop(service: Service, started: Container, grace: float) -> None:
    id_ = started.id
    container: Container | None = started
    if started.starting:
        await until_started(service, started)
        container = service.containers.exact(id_)
    if container is not None and container.unknown_reason:
        # It is unknown whether the container runs; check first, so that an absent task is not waited for.
        await record_if_ended(service.containerd, service.exits, id_)
        container = service.containers.exact(id_)
    if container is None or not (container.running or container.unknown_reason):
        return
    if grace > 0 and container.running:
        await _ask(service, container)
        try:
            async with asyncio.timeout(grace):
                await wait_ended(service.containerd, service.exits, id_)
        except TimeoutError:
            log.info("container.grace_over", container_id=id_, grace_seconds=grace)
        else:
            return
    await kill_and_wait(service.containerd, service.containers, service.exits, service.signal_directly, id_)


async def _ask(service: Service, container: Container) -> None:
    if container.stop_signal_sent:
        return
    number = _stop_signal(container)
    service.containers.update(container.id, lambda c: c.replace(stop_signal_sent=True))
    await send_signal(service.containerd, service.containers, service.signal_directly, container.id, number)


def _stop_signal(container: Container) -> int:
    """Return the signal that asks the container to end; SIGTERM if its record names a signal that does not exist."""
    if not container.stop_signal:
        return signal.SIGTERM
    try:
        return signal_number(container.stop_signal)
    except InvalidArgumentError as error:
        log.warning("container.stop_signal_unknown", container_id=container.id, error=str(error))
        return signal.SIGTERM
