"""Wait for the end of a command without waiting for ever for a shim that hangs or a container that has ended.

``Tasks/Wait`` has no time limit, because a command may run for days, and its answer may never come: the shim hangs or
was killed. So the end of the container ends the wait, and the state of the command is polled now and then. A shim that
hangs for a moment is waited for; an exit code is never made up.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from containerd_client import ContainerdError, Exit, NotFound, call_options, detached_options
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from containerd_client.encoding.timestamps import nanoseconds
from containerd_client.exits import exit_code
from cri_shim.errors import FailedPreconditionError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from containerd_client.tasks import Tasks

LONG: Final = 1.0
"""Seconds after which a command counts as one that runs long, so that more than its own end is watched."""
POLL_EVERY: Final = 20.0
POLL_SECONDS: Final = 4.0
"""The time limit of one poll: a little more than containerd gives the shim."""
SILENT_SECONDS: Final = 60.0
"""How long polls may stay without an answer before the wait is given up."""
LAST_WORDS: Final = 1.0
"""Seconds in which the end of a command may follow that of its container."""


async def wait_exit(
    tasks: Tasks,
    container_id: str,
    exec_id: str,
    *,
    waiting: asyncio.Task[Exit],
    container_ended: Callable[[], Coroutine[Any, Any, None]],
) -> Exit:
    """Return the result of ``waiting``, the pending ``Tasks/Wait``, or what a poll found.

    Raises the ContainerdError of ``waiting``, FailedPreconditionError when the container has ended and nothing is known
    of the command, and UnavailableError when its shim does not answer.
    """
    done, _ = await asyncio.wait([waiting], timeout=LONG)
    if done:
        return waiting.result()
    loop = asyncio.get_running_loop()
    answered_at = loop.time()
    container = asyncio.create_task(container_ended())
    try:
        while True:
            await asyncio.wait([waiting, container], timeout=POLL_EVERY, return_when=asyncio.FIRST_COMPLETED)
            if container.done() and not waiting.done():
                await asyncio.wait([waiting], timeout=LAST_WORDS)
            if waiting.done():
                return waiting.result()
            if container.done():
                raise FailedPreconditionError("the container has ended while the command was running")
            polled = await _poll(tasks, container_id, exec_id)
            if isinstance(polled, Exit):
                return polled
            if not polled:
                answered_at = loop.time()
            elif loop.time() - answered_at >= SILENT_SECONDS:
                raise UnavailableError(
                    f"the shim has not answered for {SILENT_SECONDS:g} s; the command's state is unknown ({polled})"
                )
    finally:
        container.cancel()


async def _poll(tasks: Tasks, container_id: str, exec_id: str) -> Exit | str:
    """Return the exit of a command that has ended, an empty text while it runs, or why its state is unknown."""
    try:
        with detached_options(), call_options(timeout=POLL_SECONDS):
            process = await tasks.get(container_id, exec_id)
    except NotFound:
        return "containerd does not know the command any more"
    except ContainerdError as error:
        return str(error)
    if process.status == task_types.STOPPED:
        return Exit(exit_code(process.exit_status), nanoseconds(process.exited_at), process.pid)
    return "containerd could not get its state" if process.status == task_types.UNKNOWN else ""
