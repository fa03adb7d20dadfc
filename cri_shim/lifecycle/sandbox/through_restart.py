"""Carry the work that outlasts RunPodSandbox through a restart of containerd.

The pod's process belongs to its shim and its addresses are known, so nothing is wrong with the pod. If it became not
ready, the kubelet would replace it, and with it every container that has begun since.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from containerd_client import ClientClosed, ContainerdError, DeadlineExceeded, Unavailable, call_options
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.concurrency.pauses import doubling
from cri_shim.state.stored.metadata import SANDBOX_EXTENSION, sandbox_extension
from cri_shim.sync.task_poll import ALIVE, Absent, NotKnown, poll_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from containerd_client import Containerd
    from cri_shim.service import Service
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox

AWAY_SECONDS: Final = 60.0
"""How long containerd may be away before a start counts as failed."""
FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 4.0
RECORD_SECONDS: Final = 10.0
"""The time limit of one further attempt to record; a pod that is to be removed waits for the end of an attempt."""

log = structlog.get_logger(__name__)


def is_away(error: ContainerdError) -> bool:
    """Return whether containerd has refused nothing, but was not there or did not answer."""
    return isinstance(error, Unavailable | DeadlineExceeded) and not isinstance(error, ClientClosed)


async def start_through_restart(containerd: Containerd, id_: str, *, answered: Callable[[], bool]) -> None:
    """Start the task ``id_``; raises ContainerdError.

    If containerd goes away meanwhile and the request is ``answered`` already, see when it is back what has become of
    the start, and start the task again if nothing has.
    """
    try:
        await containerd.tasks.start(id_)
    except Unavailable as error:
        if isinstance(error, ClientClosed) or not answered():
            raise
        log.warning("sandbox.start_unanswered", sandbox_id=id_, error=str(error))
        await _start_when_back(containerd, id_, error, answered)


async def _start_when_back(containerd: Containerd, id_: str, lost: Unavailable, answered: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + AWAY_SECONDS
    refusal: ContainerdError | None = None
    for pause in doubling(FIRST_PAUSE, LONGEST_PAUSE):
        await asyncio.sleep(pause)
        polled = await poll_task(containerd, id_)
        if isinstance(polled, NotKnown):
            if loop.time() > until or not answered():
                raise lost
            continue
        if not isinstance(polled, Absent) and polled.status in ALIVE:
            return
        if refusal is not None:
            raise refusal
        if isinstance(polled, Absent) or polled.status != task_types.CREATED:
            raise lost
        try:
            await containerd.tasks.start(id_)
        except Unavailable:
            continue
        except ContainerdError as error:
            refusal = error  # unless the shim was at the first start until now, which the next poll shows
        else:
            return


async def record_network(containerd: Containerd, connected: Sandbox) -> None:
    """Write the pod's addresses into its record; raises ContainerdError."""
    update = containers_pb2.Container(id=connected.id)
    update.extensions[SANDBOX_EXTENSION].CopyFrom(sandbox_extension(connected))
    await containerd.containers.update(update, f"extensions.{SANDBOX_EXTENSION}")


def not_recorded(sandboxes: Index[Sandbox], id_: str, error: ContainerdError) -> None:
    """Make a pod not ready because a later daemon would not know its addresses."""
    log.error("sandbox.network_not_recorded", sandbox_id=id_, error=str(error))
    why = f"its addresses could not be recorded: {error}"
    sandboxes.update(id_, lambda sandbox: sandbox.replace(unknown_reason=why))


def record_when_back(service: Service, id_: str, error: ContainerdError) -> None:
    """Try again to record the addresses of a pod until containerd answers; nothing waits for that."""
    log.warning("sandbox.network_unrecorded", sandbox_id=id_, error=str(error))
    service.operations.begin(f"record-network-again/{id_}", lambda: _record_again(service, id_), cut_at_shutdown=True)


async def _record_again(service: Service, id_: str) -> None:
    for pause in doubling(FIRST_PAUSE, LONGEST_PAUSE):
        await asyncio.sleep(pause)
        async with service.locks.of(id_):
            sandbox = service.sandboxes.exact(id_)  # its limits may have changed meanwhile
            if sandbox is None or not sandbox.networked or sandbox.exited_at:
                return
            try:
                with call_options(timeout=RECORD_SECONDS):
                    await record_network(service.containerd, sandbox)
            except ContainerdError as error:
                if is_away(error):
                    continue
                not_recorded(service.sandboxes, id_, error)
                return
        log.info("sandbox.network_recorded", sandbox_id=id_)
        return
