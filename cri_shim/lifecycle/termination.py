"""End a process for certain: send a signal, then wait for the exit event while polling the task as well.

A process and its task are two things: a task may stay when its process has ended, because a program of the node holds
its root file system. Stopping concerns the process; removing concerns both (docs/adr/0028).
"""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

import structlog

from containerd_client import ClientClosed, ContainerdError, DeadlineExceeded, NotFound, call_options
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from containerd_client.encoding.timestamps import nanoseconds
from containerd_client.errors import is_shim_gone
from containerd_client.exits import exit_code
from cri_shim.errors import UnavailableError
from cri_shim.kernel.executors import FS, run
from cri_shim.lifecycle.orphaned_cgroups import clear_cgroups
from cri_shim.lifecycle.removal_errors import with_code_of
from cri_shim.oci.stop_signal import signal_name
from cri_shim.sync.exits import UNKNOWN_EXIT, UNKNOWN_EXIT_CODE
from cri_shim.sync.orphaned_shims import end_orphaned_shims
from cri_shim.sync.task_poll import Absent, NotKnown, poll_task
from cri_shim.timeline import awaited
from untrusted import shorten

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from containerd_client import Containerd
    from cri_shim.config import Config
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.sync.exits import Exits

ENDED_SECONDS = 60.0
"""How long a process may take to end after SIGKILL; only one that hangs in the kernel, or whose shim hangs, takes
longer."""

POLL_EVERY = 1.0
"""Seconds between polls of a task that should have ended, because an exit event may be lost (containerd issues 6080,
10755)."""

DIRECT_SECONDS = 1.0
"""How long a process that was killed without its shim may take to end before the shim is asked as well: the process may
have been frozen meanwhile, which runc undoes for SIGKILL, or the shim may hang, which the request then says."""

_SHIM_GONE_RETRIES = (0.1, 0.4)
_LONGEST_WORDS = 1024
_DISCARD_SECONDS = 20.0
"""How long undoing waits for the end of a task: a part of the time for undoing a whole request."""

log = structlog.get_logger(__name__)


async def send_signal(
    containerd: Containerd,
    containers: Index[Container],
    signal_directly: Callable[[str, int], Awaitable[bool]],
    id_: str,
    number: int,
) -> None:
    """Send signal ``number`` to the main process of ``id_``; a process that has ended is success.

    containerd is asked to only if ``signal_directly`` says that it could not do so (docs/adr/0045).

    Raises UnavailableError when its shim is needed and does not answer within the time limit of the call, and CriError
    when containerd refuses.
    """
    if not await signal_directly(id_, number):
        await _send_by_containerd(containerd, containers, id_, number)


async def _send_by_containerd(
    containerd: Containerd, containers: Index[Container], id_: str, number: int, *, again: bool = False
) -> None:
    """Have the shim send a signal; ``again`` says that the process already has it."""
    for pause in (*_SHIM_GONE_RETRIES, None):
        try:
            await containerd.tasks.kill(id_, number)
        except NotFound:
            return
        except DeadlineExceeded as error:
            name, named = signal_name(number), _named(containers, id_)
            said = f"{name} was sent to {named}, but" if again else f"{name} could not be sent to {named}:"
            raise UnavailableError(
                f"{said} its shim does not answer ({error.detail}); "
                "the state of its process is unknown; try again later"
            ) from error
        except ClientClosed:  # the daemon stops
            raise
        except ContainerdError as error:
            if pause is None or not is_shim_gone(error):
                said = shorten(str(error), _LONGEST_WORDS)
                raise with_code_of(
                    error,
                    f"{signal_name(number)} could not be sent to {_named(containers, id_)}: {said}; "
                    "try again, and if that fails as well, see containerd's log",
                ) from error
            await asyncio.sleep(pause)
        else:
            return


def _named(containers: Index[Container], id_: str) -> str:
    return f"container {id_}" if id_ in containers else f"sandbox {id_}"


async def wait_ended(containerd: Containerd, exits: Exits, id_: str) -> None:
    """Return when the exit of ``id_`` is recorded; poll its task every second in case the event was lost."""
    listening = asyncio.ensure_future(exits.wait(id_))
    try:
        with awaited("exit"):
            while True:
                done, _ = await asyncio.wait([listening], timeout=POLL_EVERY)
                if done:
                    return
                await record_if_ended(containerd, exits, id_)
    finally:
        listening.cancel()


async def kill_and_wait(
    containerd: Containerd,
    containers: Index[Container],
    exits: Exits,
    signal_directly: Callable[[str, int], Awaitable[bool]],
    id_: str,
) -> None:
    """End the main process of ``id_`` by SIGKILL, and return when its exit is recorded.

    Raises UnavailableError when its shim does not answer, or the process has not ended after :data:`ENDED_SECONDS`.
    """
    sent = await signal_directly(id_, signal.SIGKILL)
    if sent and await _has_ended_within(DIRECT_SECONDS, containerd, exits, id_):
        return
    await _send_by_containerd(containerd, containers, id_, signal.SIGKILL, again=sent)
    try:
        async with asyncio.timeout(ENDED_SECONDS):
            await wait_ended(containerd, exits, id_)
    except TimeoutError:
        raise UnavailableError(
            f"{_named(containers, id_)} has not ended within {ENDED_SECONDS:g} s of SIGKILL: "
            "its process hangs in the kernel, or its shim does not report the end; try again later"
        ) from None


async def _has_ended_within(seconds: float, containerd: Containerd, exits: Exits, id_: str) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await wait_ended(containerd, exits, id_)
    except TimeoutError:
        return False
    return True


async def record_if_ended(containerd: Containerd, exits: Exits, id_: str) -> None:
    """Ask containerd whether the task of ``id_`` still runs; if not, record its exit as if an event had come."""
    polled = await poll_task(containerd, id_)
    if isinstance(polled, NotKnown):
        log.debug("task.not_readable", id=id_, error=polled.reason)
    elif isinstance(polled, Absent):
        log.warning("task.vanished", id=id_)
        await exits.ended(id_, UNKNOWN_EXIT_CODE, time.time_ns(), reason=UNKNOWN_EXIT)
    elif polled.status == task_types.STOPPED:
        await exits.ended(id_, exit_code(polled.exit_status), nanoseconds(polled.exited_at))


async def discard_task(config: Config, containerd: Containerd, sandbox: Sandbox | None, id_: str) -> None:
    """Undo a task that was created and perhaps started: kill it, wait for its end, and delete it.

    ``id_`` is the id of the sandbox, or of a container in it; ``sandbox`` is None if it is gone. A task that does not
    exist is success. Raises ContainerdError, and OSError for a cgroup that cannot be removed.
    """
    tasks = containerd.tasks
    try:
        await tasks.kill(id_, signal.SIGKILL)
        with call_options(timeout=_DISCARD_SECONDS):
            await tasks.wait(id_)
    except NotFound:
        pass
    except ContainerdError as error:
        log.debug("task.kill_failed", id=id_, error=str(error))
    try:
        await tasks.delete(id_)
    except NotFound:
        # A create that was interrupted may have left a shim, and cgroups, that containerd does not know about.
        await run(FS, end_orphaned_shims, config.containerd.address, config.containerd.namespace, {id_})
        if sandbox is not None:
            await clear_cgroups(config, sandbox, [id_])
