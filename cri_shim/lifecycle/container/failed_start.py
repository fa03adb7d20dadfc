"""Decide what a container is after a start that failed.

A refusal by the OCI runtime, or a mistake in the request, ends the container: EXITED with code 128 and reason
StartError, which the kubelet shows to the user. A containerd that went away meanwhile has refused nothing. If the start
could be undone, the container is CREATED as before; with an invented end, a pod that must not be restarted would have
failed because containerd was restarted. If the start could not be undone, its state is unknown, and the undo is tried
again until it succeeds.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Final

import structlog

from containerd_client import AlreadyExists, ContainerdError, Unavailable, call_options
from cri_shim.concurrency.pauses import doubling
from cri_shim.lifecycle.termination import discard_task
from cri_shim.state.containers import exited

if TYPE_CHECKING:
    from cri_shim.errors import CriError
    from cri_shim.service import Service

START_ERROR_CODE: Final = 128
START_ERROR: Final = "StartError"

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 4.0
UNDO_SECONDS: Final = 10.0
"""The time limit of one further attempt; a container that is to be removed waits for the end of an attempt."""

_LEFT_IN_RUNTIME: Final = re.compile(r"container with given ID already exists|container `[^`]*` already exists")
"""What runc and crun say of a container of which they know already; a new id is never known to them."""

log = structlog.get_logger(__name__)


def start_failed(service: Service, id_: str, error: CriError | ContainerdError) -> None:
    """Put the container into its state after ``error``; its lock is held, and the undo has been tried."""
    reason = service.containers.get(id_).unknown_reason
    if not reason:
        _conclude(service, id_, error)
        return
    service.containers.update(id_, lambda c: c.replace(undo_pending=True))
    service.exits.undo_pending(id_, lambda: _conclude(service, id_, error))
    service.operations.begin(f"undo-start/{id_}", lambda: _undo_again(service, id_, reason), cut_at_shutdown=True)


def _conclude(service: Service, id_: str, error: CriError | ContainerdError) -> None:
    """Set the state of a container whose start was undone."""
    service.logs.close(id_)  # an undo that failed at first has not come to this
    if isinstance(error, Unavailable) or _was_in_the_way(error):
        service.containers.update(id_, lambda c: c.replace(unknown_reason="", undo_pending=False))
        service.exits.start_undone(id_)
        log.info("container.start_undone", container_id=id_, error=str(error))
        return
    service.containers.update(id_, exited(START_ERROR_CODE, time.time_ns(), reason=START_ERROR, message=str(error)))
    service.exits.write_status(id_)


def _was_in_the_way(error: CriError | ContainerdError) -> bool:
    """Return whether an interrupted start had left something in containerd or in the runtime, which is undone now."""
    if isinstance(error, AlreadyExists):
        return True
    return isinstance(error, ContainerdError) and _LEFT_IN_RUNTIME.search(error.detail) is not None


async def _undo_again(service: Service, id_: str, reason: str) -> None:
    """Undo the start, unless the container is removed or its end is seen first."""
    for pause in doubling(FIRST_PAUSE, LONGEST_PAUSE):
        await asyncio.sleep(pause)
        async with service.locks.of(id_):
            container = service.containers.exact(id_)
            if container is None or container.unknown_reason != reason:
                return
            try:
                with call_options(timeout=UNDO_SECONDS):
                    sandbox = service.sandboxes.exact(container.sandbox_id)
                    await discard_task(service.config, service.containerd, sandbox, id_)
            except (ContainerdError, OSError) as failure:
                log.debug("container.start_not_undone", container_id=id_, error=str(failure))
                continue
            service.exits.undo_done(id_)
            return
