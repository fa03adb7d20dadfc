"""End an OCI runtime that hangs, so that its shim answers again.

The runc shim holds the lock of a container while it runs ``runc start``, and waits for the end of its output as well. A
runtime that hangs, or a child of one that keeps its output open, therefore blocks Kill and Delete alike. Such programs
are the shim's descendants that still run in the shim's own cgroups; containers have cgroups of their own.
"""

from __future__ import annotations

import os
import signal
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from containerd_client import DeadlineExceeded
from cri_shim.errors import UnavailableError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.processes import PROC, age, arguments, cgroups, children
from cri_shim.sync.orphaned_shims import shims_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection
    from pathlib import Path

    from cri_shim.config import Config
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox

STOP_PATIENCE: Final = 10.0
"""Seconds for which a stop waits for a start to end before it ends the runtime that hangs in it."""
_RUNC_SHIMS = "io.containerd.runc."
_YOUNGEST = 5.0
"""Seconds that a program must have run to count as hanging; a caller has waited longer than that."""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def hanging_ended(
    config: Config,
    sandboxes: Index[Sandbox],
    containers: Index[Container],
    sandbox_id: str,
    runtime_handler: str | None = None,
) -> AsyncIterator[None]:
    """End a runtime that hangs when a call in the ``with`` block exceeds its time limit.

    Otherwise its shim would not answer the undo, or any later call.
    """
    try:
        yield
    except (DeadlineExceeded, UnavailableError) as error:
        if isinstance(error, DeadlineExceeded) or isinstance(error.__cause__, DeadlineExceeded):
            await end_hanging_runtimes(config, sandboxes, containers, sandbox_id, runtime_handler)
        raise


async def end_hanging_runtimes(
    config: Config,
    sandboxes: Index[Sandbox],
    containers: Index[Container],
    sandbox_id: str,
    runtime_handler: str | None = None,
) -> None:
    """Kill what the pod's shim runs beside its containers.

    Shims other than runc's may need such programs, so they are spared. ``runtime_handler`` is the pod's; None takes the
    one in the pod's record in memory.
    """
    if runtime_handler is None:
        sandbox = sandboxes.exact(sandbox_id)
        runtime_handler = "" if sandbox is None else sandbox.runtime_handler
    name = runtime_handler or config.containerd.default_runtime_name
    handler = config.containerd.runtimes.get(name)
    if handler is not None and handler.runtime_type.startswith(_RUNC_SHIMS):
        members = {each.id for each in containers if each.sandbox_id == sandbox_id}
        await run(FS, partial(end_programs, config.containerd.namespace, sandbox_id, members=members))


def end_programs(namespace: str, sandbox_id: str, proc: Path = PROC, *, members: Collection[str] = frozenset()) -> None:
    """Kill the descendants of a pod's shims that run in the shim's own cgroups, except those just begun. Blocks.

    The shim of a pod without a pause process was started for one of the pod's containers, the ``members``, or for one
    that is gone by now; it is recognised by the containers that it serves.
    """
    ids = {sandbox_id, *members} - {""}  # a record that cannot be read names no pod
    for shim, started_with, _ in shims_in(namespace, proc):
        own = cgroups(shim, proc)
        below = {pid: cgroups(pid, proc) for pid in _descendants(proc, shim)} if own else {}
        if ids.isdisjoint(started_with) and not any(
            id_ in command_line for id_ in ids for command_line in below.values()
        ):
            continue
        for pid in [pid for pid, command_line in below.items() if command_line == own and age(pid, proc) >= _YOUNGEST]:
            log.warning("runtime.hanging_ended", sandbox_id=sandbox_id, pid=pid, arguments=arguments(pid, proc))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _descendants(proc: Path, pid: int) -> list[int]:
    """Return all processes below a process.

    This is a loop and not a recursion, because containers may nest processes deeper than the stack.
    """
    descendants: list[int] = []
    todo = [pid]
    while todo:
        below = children(todo.pop(), proc)
        descendants += below
        todo += below
    return descendants
