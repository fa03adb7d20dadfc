"""Wait until a container that is half started can be ended, because no signal reaches it before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from cri_shim.lifecycle.hanging_runtime import STOP_PATIENCE, end_hanging_runtimes

if TYPE_CHECKING:
    from cri_shim.service import Service
    from cri_shim.state.containers import Container

log = structlog.get_logger(__name__)


async def until_started(service: Service, container: Container) -> None:
    """Return when the start has ended; one that lasts :data:`STOP_PATIENCE` is ended, which ends the container."""
    lock = service.locks.of(container.id)  # held while it starts
    try:
        async with asyncio.timeout(STOP_PATIENCE), lock:
            return
    except TimeoutError:
        log.warning("container.start_hangs", container_id=container.id, waited_seconds=STOP_PATIENCE)
    await end_hanging_runtimes(service.config, service.sandboxes, service.containers, container.sandbox_id)
    async with lock:
        return
